import { PlumbError, type ChatMessage, type RenderChatOptions } from '@plumbline/core/base'
import { Template } from './jinja/template'
import type { SpecialTokens } from './special-tokens'
import { DEFAULT_DATE, strftime } from './strftime'

/** A model's chat template: Jinja, rendered as `transformers` renders it. Parsed when it is first used. */
export class ChatTemplate {
  private parsed?: Template
  /** Conversations by their roles, whose every message is known to be written. */
  private readonly whole = new Set<string>()

  /** @param where names the template's source in errors */
  constructor(
    private readonly source: string,
    private readonly specials: SpecialTokens,
    private readonly where: string,
  ) {}

  /**
   * The text of the messages; see `Tokenizer.renderChat` in core for the contract.
   * @throws PlumbError PLUMB_CHAT_TEMPLATE when the template cannot be parsed, refuses the messages or does not end;
   *   PLUMB_CHAT_TEMPLATE_DROPS when it leaves out what a message says.
   */
  render(messages: readonly ChatMessage[], options: RenderChatOptions = {}): string {
    const text = this.write(messages, options)
    for (const [i, { content }] of messages.entries()) {
      if (!holds(text, content, i === messages.length - 1)) this.dropped(messages, i)
    }
    this.checkRoles(messages, options)
    return text
  }

  private write(messages: readonly ChatMessage[], { addGenerationPrompt = true, date = DEFAULT_DATE }: RenderChatOptions): string {
    const { bos, eos, pad, unk } = this.specials
    try {
      this.parsed ??= new Template(this.source)
      return this.parsed.render(
        {
          messages: messages.map(({ role, content }) => ({ role, content })),
          tools: null,
          documents: null,
          add_generation_prompt: addGenerationPrompt,
          ...Object.fromEntries(
            Object.entries({ bos, eos, pad, unk }).flatMap(([name, token]) =>
              token && !token.ofModel ? [[`${name}_token`, token.text]] : [],
            ),
          ),
        },
        {
          strftimeNow: (format) => strftime(format, date),
          extent: { messages: messages.length, length: messages.reduce((sum, { content }) => sum + content.length, 0) },
        },
      )
    } catch (cause) {
      throw new PlumbError('PLUMB_CHAT_TEMPLATE', `The chat template failed: ${(cause as Error).message}`, this.where, { cause })
    }
  }

  /** Two messages may say the same, or words of the template; with contents that occur nowhere else, each must be found. */
  private checkRoles(messages: readonly ChatMessage[], options: RenderChatOptions): void {
    const roles = messages.map(({ role, content }) => `${role}${content === '' ? ' empty' : ''}`).join()
    if (this.whole.has(roles)) return
    const marked = messages.map(({ role, content }, i) => ({ role, content: content === '' ? '' : `plumb${i}line` }))
    let text: string | undefined
    try {
      text = this.write(marked, options)
    } catch {
      // It refuses these contents, not those; what they say was looked for already.
    }
    const missing = text === undefined ? -1 : marked.findIndex(({ content }) => !text.includes(content))
    if (missing >= 0) this.dropped(messages, missing)
    this.whole.add(roles)
  }

  private dropped(messages: readonly ChatMessage[], i: number): never {
    const { role, content } = messages[i] ?? { role: 'user', content: '' }
    const start = content.length > 40 ? `${content.slice(0, 40)}…` : content
    throw new PlumbError(
      'PLUMB_CHAT_TEMPLATE_DROPS',
      `The chat template leaves out message ${i + 1} of ${messages.length} (${role}: ${JSON.stringify(start)}), or a part of it; every message was expected in the prompt.`,
      this.where,
    )
  }
}

/**
 * Whether the text holds a message's content, white space aside (templates trim), plain or as JSON writes it. Templates take the
 * reasoning of an assistant's earlier turns away by design, and may write that of its last one anew: of these the parts count.
 */
function holds(text: string, content: string, isLast: boolean): boolean {
  const bare = (value: string) => value.replace(/\s+/g, '')
  const written = bare(text)
  const found = (part: string) => written.includes(bare(part)) || written.includes(bare(JSON.stringify(part).slice(1, -1)))
  if (found(content)) return true
  const end = content.lastIndexOf('</think>')
  if (end < 0) return false
  const answer = content.slice(end + '</think>'.length)
  return found(answer) && (!isLast || content.split(/<\/?think>/).every(found))
}
