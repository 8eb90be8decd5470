import type { PromptConfig } from '../config/schema'
import { PlumbError } from '../errors'
import type { GroupRecord } from '../seams/records'
import type { ChatMessage, Tokenizer } from '../seams/tokenizer'

/** What of a record its prompt is made of. */
export type PromptSource = Pick<GroupRecord, 'prompt' | 'messages' | 'literal'>

/** A question in the model's own form, as text. */
export interface RenderedPrompt {
  readonly text: string
  /** Whether the tokenizer still has to add its special tokens; a chat template has written them already. */
  readonly addSpecial: boolean
  /**
   * Through a chat template: the whole text with this answer, the end of its turn included. Absent for plain prompts, which an
   * answer is appended to.
   */
  readonly answered?: (answer: string) => string
}

/**
 * A record's prompt, as `prompt` of the configuration says: a conversation through the tokenizer's chat template, a question in
 * `prompt.template`, a literal prompt as it is.
 *
 * @throws PlumbError PLUMB_PROMPT_NO_CHAT_TEMPLATE when a conversation (or `chat: true`) needs a chat template and the model has
 *   none; PLUMB_PROMPT_CONVERSATION when `chat: false` meets more than one user message; and what `renderChat` throws.
 */
export function renderPrompt(
  { prompt, messages, literal }: PromptSource,
  config: PromptConfig,
  tokenizer?: Pick<Tokenizer, 'renderChat'>,
): RenderedPrompt {
  const { chat, date } = config
  // A function, because `$&` and its like in a question must stay as they are.
  const content = (question: string, otherwise: string) => (config.template ?? otherwise).replaceAll('{prompt}', () => question)
  if (chat === true || (chat === 'auto' && messages !== undefined)) {
    const conversation = messages ?? [{ role: 'user' as const, content: content(prompt, '{prompt}') }]
    return renderedChat(conversation, tokenizer?.renderChat, chat, date)
  }
  const question = messages === undefined ? prompt : soleMessage(messages)
  return { text: content(question, literal ? '{prompt}' : '{prompt}\n'), addSpecial: true }
}

function renderedChat(
  messages: readonly ChatMessage[],
  renderChat: Tokenizer['renderChat'],
  chat: PromptConfig['chat'],
  date: string,
): RenderedPrompt {
  if (renderChat === undefined) {
    throw new PlumbError(
      'PLUMB_PROMPT_NO_CHAT_TEMPLATE',
      chat === true
        ? 'prompt.chat is true, but the model has no chat template; use prompt.template alone.'
        : 'The record is a conversation, but the model has no chat template; with prompt.chat: false a conversation of one user message is used as plain text.',
    )
  }
  return {
    text: renderChat(messages, { date }),
    addSpecial: false,
    answered: (answer) => renderChat([...messages, { role: 'assistant', content: answer }], { addGenerationPrompt: false, date }),
  }
}

/** The text of a conversation that is nothing but a question. */
function soleMessage(messages: readonly ChatMessage[]): string {
  const [first] = messages
  if (messages.length === 1 && first?.role === 'user') return first.content
  const roles = messages.map(({ role }) => role).join(', ')
  throw new PlumbError(
    'PLUMB_PROMPT_CONVERSATION',
    `prompt.chat is false, so one user message was expected before the answer, not ${messages.length} messages (${roles}); such a conversation needs the model's chat template (prompt.chat: auto).`,
  )
}
