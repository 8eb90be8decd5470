import { Dropout, packGroups, rowKeys } from '../src'

describe('which inputs are dropped', () => {
  const prompt = [1, 2, 3, 4, 5]
  const packed = [
    { id: 'a', prompt, completions: [[6, 7, 8, 9], [6], [9, 8, 7]], selected: [0, 1, 2] },
    { id: 'b', prompt, completions: [[6, 7, 8, 9]], selected: [0] },
  ]
  const batch = packGroups(packed)
  const keys = rowKeys(packed, batch)
  const WIDTH = 4000

  it('is as likely as asked for, without regard to neighbours', () => {
    const kept = new Dropout(1, 0.3).kept('m', 0, keys, WIDTH)
    const mean = kept.reduce((sum, value) => sum + value, 0) / kept.length
    // Four standard errors of a binomial.
    expect(Math.abs(mean - 0.7)).toBeLessThan(4 * Math.sqrt(0.21 / kept.length))
    const columns = (shift: number) => kept.reduce((sum, value, i) => sum + (value - 0.7) * (kept[(i + shift) % kept.length]! - 0.7), 0)
    for (const shift of [1, 2, 64, WIDTH, 3 * WIDTH]) {
      expect(Math.abs(columns(shift) / kept.length / 0.21)).toBeLessThan(4 / Math.sqrt(kept.length))
    }
  })

  it('follows from seed, step, module, group and place, and from each of them', () => {
    const row = (dropout: Dropout, module: string, step: number, r: number) =>
      dropout.kept(module, step, keys.subarray(2 * r, 2 * r + 2), 64).join('')
    const rows = Array.from({ length: batch.rows }, (_, r) => row(new Dropout(1, 0.5), 'm', 0, r))
    expect(new Set(rows).size).toBe(batch.rows)
    const first = rows[0]
    expect(row(new Dropout(1, 0.5), 'm', 0, 0)).toBe(first)
    expect(row(new Dropout(2, 0.5), 'm', 0, 0)).not.toBe(first)
    expect(row(new Dropout(1, 0.5), 'm', 1, 0)).not.toBe(first)
    expect(row(new Dropout(1, 0.5), 'n', 0, 0)).not.toBe(first)
  })

  it('is the same for a completion that is packed alone', () => {
    const alone = [{ id: 'a', prompt, completions: [[9, 8, 7]], selected: [2] }]
    const own = packGroups(alone)
    const lone = rowKeys(alone, own)
    const at = (all: Uint32Array, row: number) => [...all.subarray(2 * row, 2 * row + 2)]
    for (const t of [0, 1]) expect(at(lone, own.completionSlots[t]!)).toEqual(at(keys, batch.completionSlots[batch.maxCompletion + t]!))
    for (const [t] of prompt.entries()) expect(at(lone, own.promptSlots[t]!)).toEqual(at(keys, batch.promptSlots[t]!))
  })
})
