import { referenceCases, relativeError } from '@plumbline/conformance'
import { lossAndGradient } from '@plumbline/core'
import { Dpo, dpoOptions } from '../src'

describe.each(['none', 'detached', 'boundary'] as const)('constraint %s', (constraint) => {
  it.each(['best-worst', 'all'] as const)('equals the reference vectors, pairing %s', (pairing) => {
    for (const group of referenceCases()) {
      const loss = new Dpo({ constraint, pairing, beta: constraint === 'boundary' ? group.beta : undefined, dpoBeta: group.dpoBeta })
      expect(relativeError(lossAndGradient(loss, group), group.expected[`dpo/${pairing}/${constraint}`]!)).toBeLessThan(1e-6)
    }
  })
})

const pair = (margin: number) => ({
  k: 2,
  lengths: [4, 4],
  logProbs: [margin - 3, -3],
  referenceLogProbs: [-3, -3],
  positive: [true, false],
  rewards: [1, 0],
  reference: [false, false],
})

it('with smoothed labels is cDPO: −(1 − ε) log σ(x) − ε log σ(−x), least at σ(x) = 1 − ε', () => {
  const [ε, x] = [0.2, 0.7]
  const dpo = new Dpo({ dpoBeta: 1, labelSmoothing: ε })
  const softplus = (z: number) => Math.log1p(Math.exp(z))
  expect(lossAndGradient(dpo, pair(x)).loss).toBeCloseTo((1 - ε) * softplus(-x) + ε * softplus(x), 6)
  const { gradient } = lossAndGradient(dpo, pair(Math.log((1 - ε) / ε)))
  expect(Math.abs(gradient[0]!)).toBeLessThan(1e-7)
})

it('scores the candidates of its pairs only, and none where all are equal', () => {
  const labels = (rewards: number[]) => ({
    k: rewards.length,
    rewards,
    lengths: rewards.map(() => 1),
    positive: rewards.map(() => false),
    reference: rewards.map(() => false),
  })
  expect(new Dpo().needed(labels([2, 3, 1, 3, 1]))).toEqual([false, true, true, false, false])
  expect(new Dpo({ pairing: 'all' }).needed(labels([2, 3, 1, 3, 1]))).toEqual([true, true, true, true, true])
  expect(new Dpo().needed(labels([1, 1, 1]))).toEqual([false, false, false])
})

/** The same pair twice: one better candidate, two equal worse ones. */
const twice = (margin: number) => {
  const { logProbs } = pair(margin)
  return {
    ...pair(margin),
    k: 3,
    lengths: [4, 4, 4],
    logProbs: [...logProbs, -3],
    referenceLogProbs: [-3, -3, -3],
    rewards: [1, 0, 0],
    positive: [true, false, false],
    reference: [false, false, false],
  }
}

it.each([
  { lossType: 'sigmoid' },
  { lossType: 'sigmoid', constraint: 'boundary' },
  { lossType: 'robust', labelSmoothing: 0.1 },
  { lossType: 'hinge' },
  { lossType: 'ipo' },
] as const)('averages over the pairs it has: %j', (options) => {
  const dpo = new Dpo({ pairing: 'all', ...options })
  const { loss } = lossAndGradient(dpo, pair(1))
  expect(loss).toBeGreaterThan(0.1)
  expect(lossAndGradient(dpo, twice(1)).loss).toBeCloseTo(loss, 6)
})

it('averages its metrics over the pairs, and has none without one', () => {
  const dpo = new Dpo({ pairing: 'all', dpoBeta: 0.5 })
  const scores = [0, 0, 0]
  const metrics = dpo.metrics({ ...twice(2), logProbs: [-1, -3, -7], scores })
  // rewards 0.5 · (2, 0, −4)
  expect(metrics).toEqual({ 'rewards/chosen': 1, 'rewards/rejected': -1, 'rewards/margins': 2, 'rewards/accuracies': 1 })
  expect(dpo.metrics({ ...twice(2), rewards: [1, 1, 1], scores })).toEqual({})
})

it('has TRL’s β and the other losses’ margin by default', () => {
  expect(lossAndGradient(new Dpo(), pair(1)).loss).toBeCloseTo(Math.log1p(Math.exp(-0.1)), 6)
  expect(new Dpo({ constraint: 'boundary' }).manifest.beta).toBe(0.15)
})

it.each([
  [{ lossType: 'ipo', constraint: 'boundary' }, 'constraint'],
  [{ lossType: 'robust', constraint: 'boundary' }, 'constraint'],
  [{ labelSmoothing: 0.1, constraint: 'boundary' }, 'constraint'],
  [{ labelSmoothing: 0.1, lossType: 'hinge' }, 'labelSmoothing'],
  [{ labelSmoothing: 0.5 }, 'labelSmoothing'],
  [{ dpoBeta: 0 }, 'dpoBeta'],
  [{ beta: 0.1 }, 'beta'], // TRL's name of dpoBeta
  [{ loss_type: 'ipo' }, undefined],
])('refuses %j', (options, key) => {
  const { error } = dpoOptions.safeParse(options)
  expect(error?.issues[0]?.path[0]).toBe(key)
})

it('hinge with a boundary, by hand: pushed while above B within the margin, pulled up below B', () => {
  const loss = (beta: number, ...worse: number[]) => {
    const candidates = [0.5, ...worse] // log-ratios, ten tokens each: the boundary lies 10 β below 0.5
    const all = candidates.map(() => false)
    return lossAndGradient(new Dpo({ lossType: 'hinge', constraint: 'boundary', pairing: 'all', dpoBeta: 1, beta }), {
      k: candidates.length,
      lengths: candidates.map(() => 10),
      logProbs: candidates.map((r) => r - 3),
      referenceLogProbs: candidates.map(() => -3),
      rewards: candidates.map((_, c) => Number(c === 0)),
      positive: all,
      reference: all,
    }).loss
  }
  expect(loss(0.1, 0.2)).toBeCloseTo(0.7, 6) // B = −0.5: 1 − (0.5 − 0.2)
  expect(loss(0.1, -2)).toBeCloseTo(1.5, 6) // the push has ended; B − r_l
  expect(loss(0.2, -1.2)).toBe(0) // B = −1.5: in order by more than the margin, and above B
  expect(loss(0.1, 0.2, -2)).toBeCloseTo((0.7 + 1.5) / 2, 6)
})
