import {
  cachedColumn,
  firstSeen,
  hideCached,
  MASKED,
  windowsOf,
  type CachedSequence,
  type Completion,
  type ModelConfig,
} from '@plumbline/transformer'
import type { Scratch } from '../runtime/scratch'
import type { HostTensor } from '../runtime/session'
import { maskInput } from './masks'
import { OwnCache } from './own-cache'
import type { CachedPrompt, PromptCache, PromptEntries } from './prompt-cache'
import { int64 } from '../runtime/tensors'

/** The runtime multiplies a single row in another order of summation, so that its last bits differ; there are always two. */
export const FEWEST_ROWS = 2

/** A prompt whose keys and values are there, with the candidates that have not begun. */
export interface PrefilledPrompt extends CachedPrompt {
  readonly id: string
  /** Given up once all candidates have begun: from then on the cache holds them until the last has ended. */
  entries: PromptEntries | undefined
  /** To be called then: entries and logits are not read any more. */
  readonly giveUp: () => void
  /** Of the first new token. [vocabulary] */
  readonly logits: Float32Array
  /** Candidate indices still to begin. */
  readonly waiting: number[]
}

/** One completion being generated: its last token has not been through the model yet. */
export interface Row {
  readonly prompt: PrefilledPrompt
  readonly completion: Completion
  /** Tokens of its own in the cache. */
  length: number
}

export interface DecodingSizes {
  /** Cells per prompt: how many of its candidates can be under way at once. */
  readonly cells: number
  /** Most rows at once. */
  readonly rows: number
  /** Most tokens of a completion. */
  readonly tokens: number
  /** Most prompts under way at once. */
  readonly prompts: number
}

/** What the caches of one run leave to the next: fresh memory costs page faults, and what is dropped stays until it is collected. */
export interface CacheMemory {
  readonly own: Scratch
  readonly prompts: PromptCache
  readonly prefilled: Scratch
}

/**
 * The rows of a decoding step and the tensors that describe them. Rows 0 … n − 1 are all in use; a row that ends is replaced by a
 * new one or by the last.
 */
export class DecodingBatch {
  readonly rows: Row[] = []
  private readonly own: OwnCache
  private readonly prompts: PromptCache
  /** The prompt in each place of the prompt cache. */
  private readonly placed: PrefilledPrompt[] = []
  /** Whether rows or prompts changed, so that everything but the caches is made anew. */
  private changed = true
  private described: Record<string, HostTensor> = {}
  /** One for each window that layers have. */
  private readonly masks: { readonly window: number | undefined; data: Float32Array }[]

  constructor(
    private readonly config: ModelConfig,
    private readonly sizes: DecodingSizes,
    { own, prompts }: CacheMemory,
  ) {
    this.own = new OwnCache(config, Math.max(FEWEST_ROWS, sizes.rows), sizes.tokens, own)
    this.masks = windowsOf(config.attention).map((window) => ({ window, data: new Float32Array(0) }))
    this.prompts = prompts
    prompts.clear()
  }

  /** Gives the caches' memory back. */
  release(): void {
    this.own.give()
  }

  /** Candidates of this prompt under way. */
  active(prompt: PrefilledPrompt): number {
    let count = 0
    for (const row of this.rows) if (row.prompt === prompt) count++
    return count
  }

  add(row: Row): void {
    this.rows.push(row)
    this.changed = true
    // Its prefill's memory is free for the next one.
    if (row.prompt.waiting.length === 0) this.placePrompts()
  }

  /** Takes a row out; the last one moves into its place. */
  remove(index: number): void {
    const last = this.rows.length - 1
    if (index < last) {
      this.own.move(last, index)
      this.rows[index] = this.rows[last]!
    }
    this.rows.pop()
    this.changed = true
  }

  /** Rows of the tensors: a single row is followed by one that nothing reads. */
  get height(): number {
    return Math.max(FEWEST_ROWS, this.rows.length)
  }

  /** Inputs of the next step, but for embeddings and what never changes. */
  feeds(): Record<string, HostTensor> {
    const longest = Math.max(...this.rows.map(({ length }) => length))
    if (this.own.fit(this.height, longest + 1)) this.changed = true
    if (this.changed) this.describe()
    this.changed = false
    const positions = new BigInt64Array(this.height)
    for (const [index, { prompt, length }] of this.rows.entries()) positions[index] = BigInt(prompt.length + length)
    return { ...this.described, ...this.own.feeds(), positions: { data: positions, dims: [positions.length, 1] } }
  }

  /** Stores the keys and values of the step's tokens. @param entries the graph's output of this name */
  store(entries: Float32Array): void {
    for (const [index, row] of this.rows.entries()) {
      this.own.write(index, row.length, entries)
      this.unmask(index, row.length)
      row.length++
    }
  }

  private describe(): void {
    const { kvHeads, heads } = this.config
    const { rows } = this
    const { cells } = this.sizes
    const rep = heads / kvHeads
    this.placePrompts()
    const prompts = this.placed
    const cellCount = prompts.length * cells
    const rowOfCell = new BigInt64Array(cellCount * kvHeads) // unused cells compute row 0 again
    const cellOfRow = new BigInt64Array(this.height * kvHeads)
    const places = new Map(prompts.map((prompt, place) => [prompt, { place, used: 0 }]))
    for (const [index, { prompt }] of rows.entries()) {
      const group = places.get(prompt)!
      const cell = group.used++
      for (let head = 0; head < kvHeads; head++) {
        const at = (group.place * kvHeads + head) * cells + cell
        rowOfCell[at] = BigInt(index * kvHeads + head)
        cellOfRow[index * kvHeads + head] = BigInt(at)
      }
    }
    const { width } = this.prompts
    const { slots } = this.own
    const maskWidth = width + slots + 1
    const maskRows = this.height * kvHeads
    const masks: Record<string, HostTensor> = {}
    for (const mask of this.masks) {
      if (mask.data.length < maskRows * maskWidth) mask.data = new Float32Array(maskRows * maskWidth)
      const data = mask.data.subarray(0, maskRows * maskWidth)
      data.fill(0)
      for (const [index, { prompt, length }] of rows.entries()) {
        const query = prompt.length + length
        for (let head = 0; head < kvHeads; head++) {
          const start = (index * kvHeads + head) * maskWidth
          hideCached(data, start, this.cached(prompt), query, mask.window)
          data.fill(MASKED, start + width + length, start + width + slots)
        }
      }
      masks[maskInput('mask', mask.window)] = { data, dims: [maskRows, 1, maskWidth] }
    }
    this.described = {
      ...this.prompts.feeds(),
      ...masks,
      parts: int64([width, slots, 1]),
      cells: { data: rowOfCell, dims: [rowOfCell.length] },
      rows: { data: cellOfRow, dims: [cellOfRow.length] },
      cells_by_prompt: int64([prompts.length * kvHeads, cells * rep, -1]),
      cells_apart: int64([cellCount * kvHeads, rep, -1]),
    }
  }

  /** Prompts keep their place as long as they are in use; a free one goes to a newcomer or to the last. */
  private placePrompts(): void {
    const { placed } = this
    const live = new Set(this.rows.map(({ prompt }) => prompt))
    const newcomers = [...live].filter((prompt) => !placed.includes(prompt))
    for (let place = 0; place < placed.length; place++) {
      if (live.has(placed[place]!)) continue
      const newcomer = newcomers.shift()
      if (newcomer) placed[place] = newcomer
      else {
        while (placed.length > place && !live.has(placed[placed.length - 1]!)) placed.pop()
        if (placed.length > place) placed[place] = placed.pop()!
      }
    }
    placed.push(...newcomers)
    this.prompts.place(placed, this.sizes.prompts)
    for (const prompt of placed) {
      if (prompt.waiting.length > 0 || !prompt.entries) continue
      prompt.entries = undefined
      prompt.giveUp()
    }
  }

  /** A row's new token is seen by the next one, which no longer sees the first of a window. */
  private unmask(index: number, position: number): void {
    const { kvHeads } = this.config
    const { width } = this.prompts
    const { prompt } = this.rows[index]!
    const maskWidth = width + this.own.slots + 1
    for (const { window, data } of this.masks) {
      const left = firstSeen(prompt.length + position + 1, window) - 1
      for (let head = 0; head < kvHeads; head++) {
        const start = (index * kvHeads + head) * maskWidth
        data[start + width + position] = 0
        if (left >= 0) data[start + cachedColumn(this.cached(prompt), left)] = MASKED
      }
    }
  }

  private cached({ length }: PrefilledPrompt): CachedSequence {
    return { promptLength: length, width: this.prompts.width }
  }
}
