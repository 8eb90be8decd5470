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
    // Behind an answer only the answer counts: the prompt is what was rendered without it.
    const first = options.addGenerationPrompt === false ? messages.length - 1 : 0
    for (const [i, { content }] of messages.entries()) {
      if (i >= first && !holds(text, content, i === messages.length - 1)) this.dropped(messages, i)
    }
    this.checkRoles(messages, options, first)
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
  private checkRoles(messages: readonly ChatMessage[], options: RenderChatOptions, first: number): void {
    const isThought = (i: number) => i === messages.length - 1 && (messages[i]?.content.includes('</think>') ?? false)
    const kinds = messages.map(({ role, content }, i) => `${role}${content === '' ? ' empty' : ''}${isThought(i) ? ' thinks' : ''}`)
    const key = [first, ...kinds].join()
    if (this.whole.has(key)) return
    const parts = messages.map(({ content }, i) =>
      content === '' ? [] : isThought(i) ? [`plumb${i}thought`, `plumb${i}line`] : [`plumb${i}line`],
    )
    const marked = messages.map(({ role }, i): ChatMessage => {
      const [only = '', answer] = parts[i] ?? []
      return { role, content: answer === undefined ? only : `<think>\n${only}\n</think>\n\n${answer}` }
    })
    let text: string | undefined
    try {
      text = this.write(marked, options)
    } catch {
      // It refuses these contents, not those; what they say was looked for already.
    }
    const missing = parts.findIndex((some, i) => i >= first && text !== undefined && !some.every((part) => text.includes(part)))
    if (missing >= 0) this.dropped(messages, missing)
    this.whole.add(key)
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
