import type { Lengths } from '../config/schema'
import { noteOrigin, originOf } from '../data/origin'
import { PlumbError } from '../errors'
import { shortened } from '../prompt/shorten'
import type { GroupRecord } from '../seams/records'
import type { Tokenizer } from '../seams/tokenizer'

/** What became of a prompt: it fits as it is, fits cut, or is left out. */
type Fate = { readonly record: GroupRecord; readonly lost: number } | 'skipped'

/** Prompts within a limit: what is longer is refused, left out or cut, as the configuration says, and counted once for each question. */
export class FittedPrompts {
  private readonly fates = new Map<string, Fate>()
  /** The most tokens of a prompt. */
  readonly limit: number

  constructor(
    private readonly contextLength: number,
    private readonly lengths: Lengths,
  ) {
    this.limit = Math.min(lengths.maxPromptTokens ?? Infinity, contextLength - 1)
  }

  /** Prompts that were left out. */
  get skipped(): number {
    return [...this.fates.values()].filter((fate) => fate === 'skipped').length
  }

  /** Prompts that were cut, and the tokens that they lost: in all, and the one that lost most. */
  get cut(): { readonly count: number; readonly tokens: number; readonly most: number } {
    const lost = [...this.fates.values()].flatMap((fate) => (fate === 'skipped' ? [] : [fate.lost]))
    return { count: lost.length, tokens: lost.reduce((sum, n) => sum + n, 0), most: Math.max(0, ...lost) }
  }

  /**
   * @param count the number of tokens that a record's prompt has
   * @returns the record, or one whose prompt is short enough; undefined where it is left out
   * @throws PlumbError PLUMB_PROMPT_TOO_LONG
   */
  fit(record: GroupRecord, count: (record: GroupRecord) => number): GroupRecord | undefined {
    const key = this.fates.size === 0 ? '' : keyOf(record)
    const known = this.fates.get(key)
    if (known !== undefined) return known === 'skipped' ? undefined : known.record
    const length = count(record)
    if (length <= this.limit) return record
    const { onTooLong, maxPromptTokens } = this.lengths
    if (onTooLong === 'skip') {
      this.fates.set(keyOf(record), 'skipped')
      return undefined
    }
    if (onTooLong === 'error' || maxPromptTokens === undefined) throw this.tooLong(record, length)
    const cut = shortened(record, (other) => count(other) <= this.limit)
    if (cut === undefined) throw this.tooLong(record, length)
    const origin = originOf(record)
    if (origin !== undefined) noteOrigin(cut, origin)
    this.fates.set(keyOf(record), { record: cut, lost: length - count(cut) })
    return cut
  }

  private tooLong(record: GroupRecord, length: number): PlumbError {
    const { onTooLong, maxPromptTokens = Infinity } = this.lengths
    const bound =
      maxPromptTokens < this.contextLength
        ? `lengths.maxPromptTokens is ${maxPromptTokens}`
        : `the model's context is ${this.contextLength}, of which at least one is needed for the answer`
    const way =
      onTooLong === 'error'
        ? 'lengths.onTooLong: skip leaves such questions out, truncate cuts them to lengths.maxPromptTokens.'
        : maxPromptTokens === Infinity
          ? 'To cut it lengths.maxPromptTokens must say to how many tokens.'
          : 'What the template and the system message say is too long by itself; nothing of the question is left to cut.'
    return new PlumbError(
      'PLUMB_PROMPT_TOO_LONG',
      `The prompt of question "${record.id}" has ${length} tokens; ${bound}. ${way}`,
      originOf(record),
    )
  }
}

/** Two data files may hold the same ids. */
const keyOf = ({ id, prompt, messages }: GroupRecord): string => JSON.stringify([id, prompt, messages])

/**
 * The first tokens of an answer. Where the cut would fall into what ends its turn, it falls before that, unless the special token that
 * says so is among what stays: no model is to learn half of a marker.
 */
export function cutBefore(
  completion: readonly number[],
  limit: number,
  { tokenizer, chain }: { readonly tokenizer: Tokenizer; readonly chain: string },
): readonly number[] {
  const kept = completion.slice(0, limit)
  const ends = [tokenizer.turnEnd?.token, tokenizer.eosId]
  const answer = chain.trim()
  const shown = (tokens: readonly number[]) => tokenizer.decode(tokens, { special: true })
  if (answer === '' || kept.some((id) => ends.includes(id))) return kept
  const whole = shown(completion)
  const end = whole.lastIndexOf(answer) + answer.length
  if (!whole.includes(answer) || shown(kept).length <= end) return kept
  let length = limit - 1
  while (length > 1 && shown(kept.slice(0, length)).length > end) length--
  return kept.slice(0, length)
}
