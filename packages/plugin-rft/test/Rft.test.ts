import { referenceCases, relativeError } from '@plumbline/conformance'
import { lossAndGradient } from '@plumbline/core'
import { Rft } from '../src'

it.each(['none', 'detached', 'boundary'] as const)('equals the reference vectors, constraint %s', (constraint) => {
  for (const group of referenceCases()) {
    const loss = new Rft({ constraint, beta: group.beta })
    expect(relativeError(lossAndGradient(loss, group), group.expected[`rft/${constraint}`]!)).toBeLessThan(1e-6)
  }
})

const labels = (positive: boolean[]) => ({
  k: positive.length,
  positive,
  lengths: positive.map(() => 10),
  rewards: positive.map(Number),
  reference: positive.map(() => false),
})

it('by sample is a sum over the right chains, of which it tells the number', () => {
  const rft = new Rft({ weighting: 'sample' })
  const group = { ...labels([true, false, true]), logProbs: [-10, -50, -30] }
  expect(rft.manifest.unit).toBe('sequence')
  expect(rft.units(group)).toBe(2)
  expect(lossAndGradient(rft, group).loss).toBeCloseTo(1 + 3, 6)
  expect(new Rft().manifest.unit).toBe('question')
  expect(lossAndGradient(new Rft(), group).loss).toBeCloseTo((1 + 3) / 2, 6)
})

it('scores wrong chains only for the boundary, and then only beside right ones', () => {
  const needed = (positive: boolean[], constraint: 'none' | 'boundary') => new Rft({ constraint }).needed(labels(positive))
  expect(needed([true, false], 'none')).toEqual([true, false])
  expect(needed([true, false], 'boundary')).toEqual([true, true])
  expect(needed([false, false], 'boundary')).toEqual([false, false])
})
