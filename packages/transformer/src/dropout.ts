import { randomStreams } from '@plumbline/core/base'
import type { PackedBatch, PackedGroup } from './packing'

/**
 * What each row of a packed batch is known by in draws: its group's id and its place in the group, a position of the prompt or of a
 * completion. Two numbers of 32 bits a row. [2 · rows]
 */
export function rowKeys(groups: readonly PackedGroup[], batch: PackedBatch): Uint32Array {
  const keys = new Uint32Array(2 * batch.rows)
  const streams = randomStreams(0)
  let slot = 0
  for (const [g, { id, completions, selected }] of groups.entries()) {
    if (id === undefined) throw new Error('A group without an id has no rows to draw for')
    const uniform = streams('lora-dropout-group', id)
    const [first, second] = [word(uniform), word(uniform)]
    const put = (row: number, sequence: number, place: number) => {
      keys[2 * row] = mixed(first ^ mixed(second ^ Math.imul(sequence, GOLDEN)) ^ Math.imul(place + 1, GOLDEN))
      keys[2 * row + 1] = mixed(second + Math.imul(place + 1, 0x632be5ab)) ^ mixed(first + sequence)
    }
    for (let t = 0; t < batch.maxPrompt; t++) {
      const row = batch.promptSlots[g * batch.maxPrompt + t]!
      if (row >= 0) put(row, 0, t)
    }
    for (const [c, completion] of completions.entries()) {
      // What has one token has no row.
      if (completion.length < 2) continue
      for (let t = 0; t < completion.length - 1; t++)
        put(batch.completionSlots[slot * batch.maxCompletion + t]!, 1 + (selected?.[c] ?? c), t)
      slot++
    }
  }
  return keys
}

/** Draws which inputs of a module are kept: 1, or 0 for those that are dropped, from (seed, optimizer step, module, row) alone. */
export class Dropout {
  private readonly streams
  /** The largest of 32 bits for which a number is dropped, and one. */
  private readonly threshold: number

  constructor(
    seed: number,
    private readonly dropout: number,
  ) {
    this.streams = randomStreams(seed)
    this.threshold = Math.round(dropout * 2 ** 32)
  }

  /**
   * @param keys of the rows, as `rowKeys` gives them.
   * @param width inputs of a row.
   * @returns [rows, width]
   */
  kept(module: string, step: number, keys: Uint32Array, width: number): Uint8Array {
    const uniform = this.streams('lora-dropout', module, step)
    const [first, second] = [word(uniform), word(uniform)]
    const rows = keys.length / 2
    const result = new Uint8Array(rows * width)
    if (this.dropout === 0) return result.fill(1)
    for (let row = 0; row < rows; row++) {
      const start = mixed(keys[2 * row]! ^ first)
      const salt = mixed(keys[2 * row + 1]! ^ second)
      for (let i = 0, at = row * width; i < width; i++, at++) {
        if (mixed(mixed(start + Math.imul(i + 1, GOLDEN)) ^ salt) >>> 0 >= this.threshold) result[at] = 1
      }
    }
    return result
  }
}

const GOLDEN = 0x9e3779b9

const word = (uniform: () => number) => Math.floor(uniform() * 2 ** 32) | 0

/** The finalizer of MurmurHash3 (32 bits): every bit of the input changes half of the output's. */
function mixed(h: number): number {
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}
