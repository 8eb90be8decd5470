import type { Cotangent, TokenLogProbs } from '@plumbline/core/base'
import type { SelectedGroup } from './micro-batches'

/** Cuts the log-probs of one packed batch into completions, in place of the caller's indices. */
export function splitLogProbs(part: readonly SelectedGroup[], packed: Float32Array, results: readonly TokenLogProbs[][]): void {
  let offset = 0
  for (const { group, selected, completions } of part) {
    for (const [i, { length }] of completions.entries()) {
      results[group]![selected[i]!] = packed.slice(offset, offset + length)
      offset += length
    }
  }
}

/** Cotangents of one packed batch, one per scored token. */
export function spreadCotangents(part: readonly SelectedGroup[], byGroup: ReadonlyMap<number, readonly Cotangent[]>): Float32Array {
  const total = part.reduce((sum, { completions }) => sum + completions.reduce((n, c) => n + c.length, 0), 0)
  const packed = new Float32Array(total)
  let offset = 0
  for (const { group, selected, completions } of part) {
    for (const [i, { length }] of completions.entries()) {
      const cotangent = byGroup.get(group)![selected[i]!]!
      if (typeof cotangent === 'number') packed.fill(cotangent, offset, offset + length)
      else if (cotangent.length === length) packed.set(cotangent, offset)
      else throw new RangeError(`The objective gave ${cotangent.length} cotangents for a completion of ${length} tokens`)
      offset += length
    }
  }
  return packed
}
