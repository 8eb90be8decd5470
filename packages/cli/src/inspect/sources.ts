import {
  Encoder,
  encodingNotices,
  EncodingCache,
  isGiven,
  isPlumbError,
  originOf,
  renderPrompt,
  shownPath,
  streamRecords,
  type GroupRecord,
  type ModelFacts,
  type ResolvedConfig,
  type Tokenizer,
} from '@plumbline/core'
import { unlessTooLong } from './too-long'

/** A span of tokens: its text with special tokens, its ids, and each token by itself. */
export interface InspectedSpan {
  readonly text: string
  readonly ids: readonly number[]
  readonly tokens: readonly string[]
}

export interface InspectedCompletion extends Partial<InspectedSpan> {
  /** Whether a stage trains on it: not where it is left out, and never in `validation` and `test`. */
  readonly trained: boolean
  /** True where it is longer than the context or `lengths` allow, and has no tokens: it is left out, or a run stops at it. */
  readonly tooLong?: true
  /** True where it lost its end. */
  readonly cut?: true
  readonly reference?: boolean
  readonly positive?: boolean
  readonly reward?: number
}

export interface InspectedRecord {
  readonly source: string
  readonly id: string
  /** `file:line` */
  readonly where?: string
  readonly kind: 'conversation' | 'literal' | 'plain'
  /** The prompt as the template, or the chat template, writes it. */
  readonly rendered: string
  /** Absent where the prompt is too long. */
  readonly prompt?: InspectedSpan
  readonly completions: readonly InspectedCompletion[]
}

export interface InspectedSource {
  readonly source: string
  readonly path: string
  readonly format: string
  readonly records: readonly InspectedRecord[]
  /** Over the whole file (up to `limit`). */
  readonly counts: {
    readonly records: number
    readonly conversations: number
    readonly literal: number
    readonly plain: number
    /** Chains and candidates of the file. */
    readonly chains: number
    readonly references: number
    /** Chains without text. */
    readonly empty: number
    /** Prompts that are too long: they are left out, or a run stops at them. */
    readonly promptsTooLong: number
    /** Chains that are too long: they are left out, or a run stops at them. */
    readonly dropped: number
    /** Chains that lost their end (`lengths.onTooLong: truncate`). */
    readonly truncated: number
    /** Prompts that lost their beginning. */
    readonly promptsTruncated: number
    /** Chains whose tokens next to the prompt were repaired. */
    readonly repaired: number
    /** Chains that the chat template writes behind another text than the prompt. */
    readonly reshaped: number
    /** Chains that end with no special token. */
    readonly unended: number
  }
  /** Records that the source leaves out (`onInvalid: skip`), by the code of the reason; absent where there is none. */
  readonly leftOut?: Readonly<Record<string, number>>
  /** Of a source of several: how many of its records a run takes, repeated ones each time. */
  readonly drawn?: number
  readonly weight?: number
  /** The fields that the configuration finds in other columns of the file. */
  readonly columns?: Readonly<Record<string, string>>
  /** What a run would say of the file. */
  readonly notices: readonly string[]
}

export interface InspectSourceOptions {
  readonly name: keyof ResolvedConfig['data']
  readonly source: ResolvedConfig['data']['train'][number]
  readonly model: ModelFacts
  readonly resolved: ResolvedConfig
  /** How many records to show. */
  readonly records: number
}

export async function inspectSource({ name, source, model, resolved, records }: InspectSourceOptions): Promise<InspectedSource> {
  const { path, reader, limit, title, columns, onInvalid, weight } = source
  const { config, sampler } = resolved
  const shownName = title.replace(/^data\./, '')
  const encoder = new Encoder(
    model,
    (record, tokenizer) => renderPrompt(record, config.prompt, tokenizer),
    new EncodingCache(),
    config.lengths,
  )
  const areGiven = isGiven(sampler.made)
  const shown: InspectedRecord[] = []
  let dropped = 0
  const counts = { records: 0, conversations: 0, literal: 0, plain: 0, chains: 0, references: 0, empty: 0, promptsTooLong: 0 }
  const leftOut: Record<string, number> = {}
  const onRefused = (error: Error): void => {
    if (!isPlumbError(error)) throw error
    leftOut[error.code] = (leftOut[error.code] ?? 0) + 1
  }
  const from = { path, limit, columns, ...(onInvalid === 'skip' ? { onRefused } : {}) }
  for await (const record of streamRecords(reader, from)) {
    const kind = record.messages ? 'conversation' : record.literal ? 'literal' : 'plain'
    counts.records++
    counts[kind === 'conversation' ? 'conversations' : kind]++
    counts.chains += record.candidates.length
    counts.references += record.candidates.filter(({ reference }) => reference).length
    counts.empty += record.candidates.filter(({ text }) => text === '').length
    encoder.noteArguments(record)
    const prompt = unlessTooLong(() => encoder.question(record))
    if (prompt === undefined) counts.promptsTooLong++
    const isTrained = ({ reference }: GroupRecord['candidates'][number]) =>
      name === 'train' ? reference === true : name === 'questions' && (areGiven || reference === true)
    const completions = record.candidates.map((candidate): InspectedCompletion => {
      const { reference, positive, reward } = candidate
      const example = prompt && unlessTooLong(() => encoder.example(record, candidate))
      if (prompt && example === undefined) dropped++
      return {
        ...(example ? spanOf(model.tokenizer, example.completion) : { tooLong: true as const }),
        ...(example?.cut ? { cut: true as const } : {}),
        trained: example !== undefined && isTrained(candidate),
        ...(reference === undefined ? {} : { reference }),
        ...(positive === undefined ? {} : { positive }),
        ...(reward === undefined ? {} : { reward }),
      }
    })
    if (shown.length < records) {
      shown.push({
        source: shownName,
        id: record.id,
        where: originOf(record),
        kind,
        rendered: (prompt && encoder.asked(record)?.text) ?? renderPrompt(record, config.prompt, model.tokenizer).text,
        ...(prompt ? { prompt: spanOf(model.tokenizer, prompt) } : {}),
        completions,
      })
    }
  }
  const { cutChains, prompts, repaired, reshaped, unended } = encoder
  return {
    source: shownName,
    path: shownPath(path),
    format: reader.name,
    records: shown,
    counts: { ...counts, dropped, truncated: cutChains.count, promptsTruncated: prompts.cut.count, repaired, reshaped, unended },
    ...(Object.keys(leftOut).length > 0 ? { leftOut } : {}),
    ...(weight === undefined ? {} : { weight }),
    ...(columns === undefined ? {} : { columns }),
    notices: [
      ...stopsAt(config.lengths.onTooLong, counts.promptsTooLong, dropped),
      ...encodingNotices(encoder, title, areGiven ? 'candidate' : 'reference chain').map(({ message }) => message),
    ],
  }
}

/** What a run does not get past. */
function stopsAt(onTooLong: ResolvedConfig['config']['lengths']['onTooLong'], prompts: number, chains: number): string[] {
  if (onTooLong !== 'error' || prompts + chains === 0) return []
  return [
    `A run stops here: ${prompts} prompts and ${chains} answers are too long for the model's context or lengths. lengths.onTooLong: skip leaves them out, truncate cuts them.`,
  ]
}

function spanOf(tokenizer: Tokenizer, ids: readonly number[]): InspectedSpan {
  return {
    text: tokenizer.decode(ids, { special: true }),
    ids,
    tokens: ids.map((id) => tokenizer.decode([id], { special: true })),
  }
}
