import type { ModelConfig } from '@plumbline/transformer'
import type { Scratch } from '../runtime/scratch'
import type { HostTensor } from '../runtime/session'

/** Slots are added in blocks, so that tensors keep their shape for many steps. */
const BLOCK = 32
const blocks = (length: number) => BLOCK * Math.max(1, Math.ceil(length / BLOCK))

/**
 * Keys and values of the tokens that the rows have generated: per layer [rows · kvHeads, slots, headDim], fed to the graph as they
 * are and written in place, one entry per row and step. Every row has the same number of slots; unused ones hold finite numbers and
 * are masked.
 *
 * The buffers have their final size from the start, and a later run uses them again: the system gives memory page by page as it is
 * written, and what is used stands at their beginning. Buffers that grew left the smaller ones behind until the next garbage collection.
 */
export class OwnCache {
  private readonly keys: readonly Float32Array[]
  private readonly values: readonly Float32Array[]
  /** Gives the memory back. */
  readonly give: () => void
  private rows = 0
  slots = BLOCK

  constructor(
    private readonly config: Pick<ModelConfig, 'layers' | 'kvHeads' | 'headDim'>,
    /** There will be no more rows than this, */
    mostRows: number,
    /** and no row will hold more tokens. */
    longest: number,
    memory: Scratch,
  ) {
    const size = mostRows * this.rowSize(blocks(longest))
    const { parts, give } = memory.take(Array.from({ length: 2 * config.layers }, () => size))
    this.keys = parts.slice(0, config.layers)
    this.values = parts.slice(config.layers)
    this.give = give
  }

  /**
   * Makes room for `rows` rows of `length` tokens, with no more slots than that needs.
   * @returns whether the number of slots changed
   */
  fit(rows: number, length: number): boolean {
    const slots = blocks(length)
    const before = this.slots
    const kept = Math.min(rows, this.rows)
    this.rows = rows
    this.slots = slots
    if (slots !== before) for (const cache of [...this.keys, ...this.values]) this.relayout(cache, kept, before)
    return slots !== before
  }

  /** Stores the entry of one step: row `row` of the graph's `entries`, as token number `index` of its row. */
  write(row: number, index: number, entries: Float32Array): void {
    const { layers, kvHeads, headDim } = this.config
    let from = row * layers * 2 * kvHeads * headDim
    for (let layer = 0; layer < layers; layer++) {
      for (const cache of [this.keys[layer]!, this.values[layer]!]) {
        for (let head = 0; head < kvHeads; head++) {
          const to = ((row * kvHeads + head) * this.slots + index) * headDim
          for (let i = 0; i < headDim; i++) cache[to + i] = entries[from + i]!
          from += headDim
        }
      }
    }
  }

  /** Copies everything of one row over another. */
  move(from: number, to: number): void {
    const size = this.rowSize(this.slots)
    for (const cache of [...this.keys, ...this.values]) cache.copyWithin(to * size, from * size, (from + 1) * size)
  }

  feeds(): Record<string, HostTensor> {
    const { kvHeads, headDim } = this.config
    const dims = [this.rows * kvHeads, 1, this.slots, headDim]
    const size = this.rows * this.rowSize(this.slots)
    const feeds: Record<string, HostTensor> = {}
    for (const [layer, data] of this.keys.entries()) feeds[`own_keys_${layer}`] = { data: data.subarray(0, size), dims }
    for (const [layer, data] of this.values.entries()) feeds[`own_values_${layer}`] = { data: data.subarray(0, size), dims }
    return feeds
  }

  private rowSize(slots: number): number {
    return this.config.kvHeads * slots * this.config.headDim
  }

  /** Moves what `rows` rows hold to where it stands with today's number of slots. */
  private relayout(cache: Float32Array, rows: number, slotsBefore: number): void {
    const { kvHeads, headDim } = this.config
    const [from, to] = [slotsBefore * headDim, this.slots * headDim]
    const length = Math.min(from, to)
    const heads = rows * kvHeads
    const move = (head: number) => cache.copyWithin(head * to, head * from, head * from + length)
    // A wider layout is filled from the end, so that nothing is overwritten before it has moved.
    if (to > from) for (let head = heads - 1; head >= 0; head--) move(head)
    else for (let head = 0; head < heads; head++) move(head)
  }
}
