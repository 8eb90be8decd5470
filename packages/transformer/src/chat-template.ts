import { PlumbError, type ChatMessage, type RenderChatOptions } from '@plumbline/core/base'
import { THINK } from './thinking'
import { Template } from './jinja/template'
import type { SpecialTokens } from './special-tokens'
import { DEFAULT_DATE, strftime } from './strftime'

/** What every template is told, or brings itself: nobody's arguments. */
const GIVEN = [
  ...['messages', 'tools', 'documents', 'add_generation_prompt', 'bos_token', 'eos_token', 'pad_token', 'unk_token'],
  ...['true', 'false', 'none', 'True', 'False', 'None', 'raise_exception', 'range', 'strftime_now', 'namespace', 'caller'],
]

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

  /** Names of the variables that it reads beside those that every template is given. Empty where it cannot be parsed. */
  get arguments(): readonly string[] {
    try {
      this.parsed ??= new Template(this.source)
    } catch {
      return [] // whoever renders is told why
    }
    return this.parsed.variables.filter((name) => !GIVEN.includes(name))
  }

  /**
   * The text of the messages; see `Tokenizer.renderChat` in core for the contract.
   * @throws PlumbError PLUMB_CHAT_TEMPLATE when the template cannot be parsed, refuses the messages or does not end;
   *   PLUMB_CHAT_TEMPLATE_DROPS when it leaves out what a message says.
   */
  render(messages: readonly ChatMessage[], options: RenderChatOptions = {}): string {
    const text = this.write(messages, options)
    // Behind an answer only the answer counts: the prompt is what was rendered without it.
    const first = options.addGenerationPrompt === false ? messages.length - 1 : 0
    for (const [i, { content, reasoning = '' }] of messages.entries()) {
      const isLast = i === messages.length - 1
      if (i >= first && !(holds(text, content, isLast) && (!isLast || holds(text, reasoning, true)))) this.dropped(messages, i)
    }
    this.checkRoles(messages, options, first)
    return text
  }

  private write(messages: readonly ChatMessage[], options: RenderChatOptions): string {
    const { addGenerationPrompt = true, date = DEFAULT_DATE, arguments: given = {} } = options
    const { bos, eos, pad, unk } = this.specials
    const taken = Object.keys(given).find((name) => GIVEN.includes(name))
    if (taken !== undefined) {
      const message = `The argument "${taken}" of the chat template is not to be set: it is given to every template.`
      throw new PlumbError('PLUMB_CHAT_TEMPLATE_ARGUMENT', message, this.where)
    }
    try {
      this.parsed ??= new Template(this.source)
      return this.parsed.render(
        {
          ...given,
          messages: messages.map(asTemplatesRead),
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
          extent: {
            messages: messages.length,
            length: messages.reduce((sum, { content, reasoning = '' }) => sum + content.length + reasoning.length, 0),
          },
        },
      )
    } catch (cause) {
      throw new PlumbError('PLUMB_CHAT_TEMPLATE', `The chat template failed: ${(cause as Error).message}`, this.where, { cause })
    }
  }

  /** Two messages may say the same, or words of the template; with contents that occur nowhere else, each must be found. */
  private checkRoles(messages: readonly ChatMessage[], options: RenderChatOptions, first: number): void {
    const isLast = (i: number) => i === messages.length - 1
    const isThought = (i: number) => isLast(i) && (messages[i]?.content.includes(THINK[1]) ?? false)
    const kinds = messages.map(
      ({ role, content, reasoning }, i) =>
        `${role}${content === '' ? ' empty' : ''}${isThought(i) ? ' thinks' : ''}${reasoning === undefined ? '' : ' reasons'}`,
    )
    const key = JSON.stringify([first, kinds, options.arguments ?? null])
    if (this.whole.has(key)) return
    const parts = messages.map(({ content, reasoning }, i) => [
      ...(isThought(i) || (isLast(i) && reasoning) ? [`plumb${i}thought`] : []),
      ...(content === '' ? [] : [`plumb${i}line`]),
    ])
    const marked = messages.map(({ role, content, reasoning }, i): ChatMessage => {
      const [thought, line] = [`plumb${i}thought`, content === '' ? '' : `plumb${i}line`]
      if (reasoning !== undefined) return { role, content: line, reasoning: thought }
      return { role, content: isThought(i) ? `${THINK[0]}\n${thought}\n${THINK[1]}\n\n${line}` : line }
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
    const { role, content, reasoning } = messages[i] ?? { role: 'user', content: '' }
    const start = content.length > 40 ? `${content.slice(0, 40)}…` : content
    const hint = reasoning
      ? ` Its reasoning is given apart; a template that reads no field for it may take it in the content, between ${THINK.join(' and ')}.`
      : ''
    throw new PlumbError(
      'PLUMB_CHAT_TEMPLATE_DROPS',
      `The chat template leaves out message ${i + 1} of ${messages.length} (${role}: ${JSON.stringify(start)}), or a part of it; every message was expected in the prompt.${hint}`,
      this.where,
    )
  }
}

/** Reasoning that is given apart, by each name that templates know it by: Qwen 3's, gpt-oss's, and that of servers. */
function asTemplatesRead({ role, content, reasoning }: ChatMessage): object {
  return { role, content, ...(reasoning === undefined ? {} : { reasoning_content: reasoning, thinking: reasoning, reasoning }) }
}

/** Words that tell a template of the SmolLM3 and Qwen 3 kind how to write, and that it may take out. */
const COMMANDS = /\/(?:no_think|think|system_override)(?!\w)/g

/**
 * Whether the text holds a message's content, white space aside (templates trim), plain or as JSON writes it. Templates take the
 * reasoning of an assistant's earlier turns away by design, and may write that of its last one anew: of these the parts count.
 */
function holds(text: string, content: string, isLast: boolean): boolean {
  const bare = (value: string) => value.replace(/\s+/g, '')
  const written = bare(text)
  const found = (part: string) => written.includes(bare(part)) || written.includes(bare(JSON.stringify(part).slice(1, -1)))
  if (found(content) || found(content.replace(COMMANDS, ''))) return true
  const end = content.lastIndexOf(THINK[1])
  if (end < 0) return false
  const answer = content.slice(end + THINK[1].length)
  return found(answer) && (!isLast || content.split(/<\/?think>/).every(found))
}
