import { referenceCases, relativeError } from '@plumbline/conformance'
import { lossAndGradient } from '@plumbline/core'
import { Orpo, orpoOptions } from '../src'

describe.each(['none', 'detached', 'boundary'] as const)('constraint %s', (constraint) => {
  it.each(['best-worst', 'all'] as const)('equals the reference vectors, pairing %s', (pairing) => {
    for (const group of referenceCases()) {
      const loss = new Orpo({ constraint, pairing, beta: constraint === 'boundary' ? group.beta : undefined })
      expect(relativeError(lossAndGradient(loss, group), group.expected[`orpo/${pairing}/${constraint}`]!)).toBeLessThan(1e-6)
    }
  })
})

const group = (scores: readonly number[], rewards: readonly number[]) => ({
  k: scores.length,
  lengths: scores.map(() => 1),
  logProbs: scores,
  rewards,
  positive: rewards.map((r) => r > 0),
  reference: rewards.map(() => false),
})

/** P of the better candidate 0.6, of the worse 0.5: odds 1.5 and 1. */
const even = group([Math.log(0.6), Math.log(0.5)], [1, 0])

it('by hand: likelihood of the better one, and λ times the log-sigmoid of the odds ratio', () => {
  const ratio = Math.log(1 + 1 / 1.5) // −log σ(log 1.5)
  expect(lossAndGradient(new Orpo({ lambda: 0.25 }), even).loss).toBeCloseTo(-Math.log(0.6) + 0.25 * ratio, 6)
  expect(lossAndGradient(new Orpo({ lambda: 0.25, nllWeight: 0 }), even).loss).toBeCloseTo(0.25 * ratio, 6)
  expect(lossAndGradient(new Orpo({ lambda: 0.25, nllWeight: 3 }), even).loss).toBeCloseTo(-3 * Math.log(0.6) + 0.25 * ratio, 6)
})

it('is finite where a probability rounds to 1, and pushes such a worse candidate down', () => {
  for (const scores of [
    [0, 0],
    [-1, 0],
    [0, -1],
    [-1e-9, -1e-12],
  ]) {
    const { loss, gradient } = lossAndGradient(new Orpo({ nllWeight: 0 }), group(scores, [1, 0]))
    expect([loss, ...gradient].every(Number.isFinite)).toBe(true)
    expect(gradient[0]!).toBeLessThanOrEqual(0)
    expect(gradient[1]!).toBeGreaterThan(0)
  }
  // log-odds at P = 1 − 2^-24, against even odds
  const { loss } = lossAndGradient(new Orpo({ lambda: 1, nllWeight: 0 }), group([Math.log(0.5), -(2 ** -24)], [1, 0]))
  expect(loss).toBeCloseTo(24 * Math.LN2, 5)
  const beyond = lossAndGradient(new Orpo({ lambda: 1, nllWeight: 0 }), group([Math.log(0.5), 0], [1, 0]))
  expect(beyond.loss).toBeCloseTo(24 * Math.LN2 + 1, 5) // along the tangent: 2^-24 nats of slope 2^24
})

it('has TRL’s λ by default, and the paper’s weight of the likelihood', () => {
  expect(orpoOptions.parse({})).toMatchObject({ lambda: 0.1, nllWeight: 1, pairing: 'best-worst', constraint: 'none' })
  expect(new Orpo({ constraint: 'boundary' }).manifest.beta).toBe(0.15)
})

it('names its metrics as TRL does', () => {
  const numbers = group([-1, -2], [1, 0])
  const metrics = new Orpo({ lambda: 0.5 }).metrics({ ...numbers, scores: [-1, -2] })
  expect(metrics).toEqual({ 'rewards/chosen': -0.5, 'rewards/rejected': -1, 'rewards/margins': 0.5, 'rewards/accuracies': 1 })
})

it('scores the candidates of its pairs only', () => {
  expect(new Orpo().needed(group([-1, -2, -3], [0.5, 1, 0]))).toEqual([false, true, true])
})

it.each([
  [{ beta: 0.1 }, 'beta'], // TRL's name of lambda
  [{ lambda: 0 }, 'lambda'],
  [{ nllWeight: -1 }, 'nllWeight'],
])('refuses %j', (options, key) => {
  expect(orpoOptions.safeParse(options).error?.issues[0]?.path[0]).toBe(key)
})
