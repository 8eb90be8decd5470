import { referenceCases, relativeError } from '@plumbline/conformance'
import { lossAndGradient } from '@plumbline/core'
import { Rrhf } from '../src'

it.each(['none', 'detached', 'boundary'] as const)('equals the reference vectors, constraint %s', (constraint) => {
  for (const group of referenceCases()) {
    const loss = new Rrhf({ constraint, beta: group.beta })
    expect(relativeError(lossAndGradient(loss, group), group.expected[`rrhf/${constraint}`]!)).toBeLessThan(1e-6)
  }
})

describe('length normalization', () => {
  /** A short right answer, likelier per token than the long wrong one; and the same beside a much longer third candidate. */
  const two = { k: 2, lengths: [10, 40], logProbs: [-10, -60], positive: [true, false], rewards: [1, 0], reference: [false, false] }
  const padded = {
    k: 3,
    lengths: [10, 40, 400],
    logProbs: [-10, -60, -4000],
    positive: [true, false, false],
    rewards: [1, 0, -1],
    reference: [false, false, false],
  }
  const reversed = { ...two, rewards: [0, 1] }

  it('paper: each candidate by its own length, Eq. 1', () => {
    expect(lossAndGradient(new Rrhf(), reversed).loss).toBeCloseTo(-1 - -1.5, 6)
    expect(lossAndGradient(new Rrhf(), reversed).gradient).toEqual([expect.closeTo(1 / 10, 7), expect.closeTo(-1 / 40, 7)])
  })

  it('reference-code: every candidate by the longest one’s', () => {
    const loss = new Rrhf({ lengthNormalization: 'reference-code' })
    expect(lossAndGradient(loss, reversed).loss).toBeCloseTo((-10 - -60) / 40, 6)
    expect(lossAndGradient(loss, reversed).gradient).toEqual([expect.closeTo(1 / 40, 7), expect.closeTo(-1 / 40, 7)])
  })

  it('the reference code can rank two candidates the other way round', () => {
    // per token the long one is better (-1.5 > -2); padded it is worse (-60 / 40 < -20 / 40)
    const group = { ...two, logProbs: [-20, -60], rewards: [1, 0] }
    expect(lossAndGradient(new Rrhf(), group).loss).toBeCloseTo(0.5, 6)
    expect(lossAndGradient(new Rrhf({ lengthNormalization: 'reference-code' }), group).loss).toBe(0)
  })

  it('padding by a third candidate changes the reference code’s loss of the other two, never the paper’s', () => {
    const wrongWay = (group: typeof two) => ({ ...group, rewards: group.rewards.map((r) => (r === 1 ? 0 : r === 0 ? 1 : r)) })
    const between = (loss: Rrhf, group: typeof two) => lossAndGradient(loss, wrongWay(group)).gradient.slice(0, 2)
    expect(between(new Rrhf(), padded)).toEqual(between(new Rrhf(), two))
    const reference = new Rrhf({ lengthNormalization: 'reference-code' })
    expect(between(reference, padded)).toEqual(between(reference, two).map((g): unknown => expect.closeTo(g / 10, 7)))
  })
})
