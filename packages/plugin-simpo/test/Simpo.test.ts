import { referenceCases, relativeError } from '@plumbline/conformance'
import { lossAndGradient } from '@plumbline/core'
import { Simpo, simpoOptions } from '../src'

describe.each(['none', 'detached', 'boundary'] as const)('constraint %s', (constraint) => {
  it.each(['best-worst', 'all'] as const)('equals the reference vectors, pairing %s', (pairing) => {
    for (const group of referenceCases()) {
      const loss = new Simpo({ constraint, pairing, beta: constraint === 'boundary' ? group.beta : undefined })
      expect(relativeError(lossAndGradient(loss, group), group.expected[`simpo/${pairing}/${constraint}`]!)).toBeLessThan(1e-6)
    }
  })
})

const group = (scores: readonly number[], rewards: readonly number[]) => ({
  k: scores.length,
  lengths: scores.map((_, c) => 4 + c),
  logProbs: scores.map((s, c) => s * (4 + c)),
  rewards,
  positive: rewards.map((r) => r > 0),
  reference: rewards.map(() => false),
})

it('asks for γ more on the scale of the rewards: −log σ(β_s (s_w − s_l) − γ)', () => {
  const { loss } = lossAndGradient(new Simpo({ simpoBeta: 2.5, simpoGamma: 1.4 }), group([-0.5, -1], [1, 0]))
  expect(loss).toBeCloseTo(Math.log1p(Math.exp(1.4 - 2.5 * 0.5)), 6)
})

it('has β and γ of the authors’ code by default', () => {
  expect(simpoOptions.parse({})).toMatchObject({ simpoBeta: 2, simpoGamma: 0.5, pairing: 'best-worst', constraint: 'none' })
  expect(new Simpo({ constraint: 'boundary' }).manifest.beta).toBe(0.15)
})

it('names its metrics as TRL does, mean over its pairs', () => {
  const simpo = new Simpo({ simpoBeta: 2, pairing: 'all' })
  const scores = [-1.5, -2, -0.5]
  const metrics = simpo.metrics({ ...group(scores, [1, 0, 0]), scores })
  expect(metrics).toEqual({ 'rewards/chosen': -3, 'rewards/rejected': -2.5, 'rewards/margins': -0.5, 'rewards/accuracies': 0.5 })
})

it('scores the candidates of its pairs only', () => {
  const numbers = group([-1, -2, -3], [0.5, 1, 0])
  expect(new Simpo().needed(numbers)).toEqual([false, true, true])
  expect(new Simpo({ pairing: 'all' }).needed(numbers)).toEqual([true, true, true])
})

it.each([
  [{ beta: 2 }, 'beta'], // TRL's name of simpoBeta
  [{ simpoBeta: 0 }, 'simpoBeta'],
  [{ simpoGamma: -0.1 }, 'simpoGamma'],
  [{ gamma_beta_ratio: 0.25 }, undefined],
])('refuses %j', (options, key) => {
  expect(simpoOptions.safeParse(options).error?.issues[0]?.path[0]).toBe(key)
})
