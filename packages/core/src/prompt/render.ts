import type { PromptConfig } from '../config/schema'
import { PlumbError } from '../errors'
import type { GroupRecord } from '../seams/records'
import type { ChatArguments, ChatMessage, ThinkingTags, Tokenizer } from '../seams/tokenizer'
import { suggestion } from '../util/suggest'

/** What of a record its prompt is made of. */
export type PromptSource = Pick<GroupRecord, 'prompt' | 'messages' | 'literal' | 'chatTemplateKwargs'>

/** What rendering needs to know of the tokenizer. */
export type ChatTokenizer = Pick<Tokenizer, 'renderChat' | 'chatArguments' | 'thinking'>

/** An answer: its text, and its reasoning where that is given apart. */
export interface ChatAnswer {
  readonly text: string
  readonly reasoning?: string
}

/** A question in the model's own form, as text. */
export interface RenderedPrompt {
  readonly text: string
  /** Whether the tokenizer still has to add its special tokens; a chat template has written them already. */
  readonly addSpecial: boolean
  /**
   * Through a chat template: the whole text with this answer, the end of its turn included. Absent for plain prompts, which an
   * answer is appended to.
   */
  readonly answered?: (answer: ChatAnswer) => string
  /** Through a chat template: the tags of the model's reasoning, where the tokenizer knows of any. */
  readonly thinking?: ThinkingTags
}

/**
 * A record's prompt, as `prompt` of the configuration says: a conversation through the tokenizer's chat template, a question in
 * `prompt.template`, a literal prompt as it is.
 *
 * A conversation without a system message gets `prompt.system`; one that brings its own keeps it, since its answers were written for
 * that one. Of the template's arguments a record's own go before those of the config.
 *
 * @throws PlumbError PLUMB_PROMPT_NO_CHAT_TEMPLATE when a conversation (or `chat: true`) needs a chat template and the model has
 *   none; PLUMB_PROMPT_CONVERSATION when `chat: false` meets more than one user message; PLUMB_CHAT_TEMPLATE_ARGUMENT for an argument
 *   of the config that the chat template does not read; and what `renderChat` throws.
 */
export function renderPrompt(
  { prompt, messages, literal, chatTemplateKwargs }: PromptSource,
  config: PromptConfig,
  tokenizer?: ChatTokenizer,
): RenderedPrompt {
  const { chat, system } = config
  // A function, because `$&` and its like in a question must stay as they are.
  const content = (question: string, otherwise: string) => (config.template ?? otherwise).replaceAll('{prompt}', () => question)
  if (chat === true || (chat === 'auto' && messages !== undefined)) {
    const own = messages ?? [{ role: 'user' as const, content: content(prompt, '{prompt}') }]
    const conversation = system === undefined || own[0]?.role === 'system' ? own : [{ role: 'system' as const, content: system }, ...own]
    return renderedChat(conversation, { ...config.chatTemplateKwargs, ...chatTemplateKwargs }, config, tokenizer)
  }
  const question = messages === undefined ? prompt : soleMessage(messages)
  return { text: content(question, literal ? '{prompt}' : '{prompt}\n'), addSpecial: true }
}

function renderedChat(
  messages: readonly ChatMessage[],
  given: ChatArguments,
  { chat, date, chatTemplateKwargs }: PromptConfig,
  { renderChat, chatArguments, thinking }: ChatTokenizer = {},
): RenderedPrompt {
  if (renderChat === undefined) {
    throw new PlumbError(
      'PLUMB_PROMPT_NO_CHAT_TEMPLATE',
      chat === true
        ? 'prompt.chat is true, but the model has no chat template; use prompt.template alone.'
        : 'The record is a conversation, but the model has no chat template; with prompt.chat: false a conversation of one user message is used as plain text.',
    )
  }
  const unread = Object.keys(chatTemplateKwargs).find((name) => chatArguments?.includes(name) === false)
  if (unread !== undefined) {
    throw new PlumbError(
      'PLUMB_CHAT_TEMPLATE_ARGUMENT',
      `The model's chat template reads no argument "${unread}" (prompt.chatTemplateKwargs). ${suggestion(unread, chatArguments ?? [], 'It reads')}`,
    )
  }
  const options = { date, ...(Object.keys(given).length > 0 ? { arguments: given } : {}) }
  const text = renderChat(messages, options)
  return {
    text,
    addSpecial: false,
    answered: ({ text: content, reasoning }) =>
      renderChat([...messages, { role: 'assistant', content, ...(reasoning === undefined ? {} : { reasoning }) }], {
        ...options,
        addGenerationPrompt: false,
      }),
    ...(thinking === undefined ? {} : { thinking }),
  }
}

/** The record's arguments that the chat template does not read, by name. */
export function unreadArguments({ chatTemplateKwargs = {} }: PromptSource, { chatArguments }: ChatTokenizer): readonly string[] {
  return Object.keys(chatTemplateKwargs).filter((name) => chatArguments?.includes(name) === false)
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
