import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { referenceCases, relativeError } from '@plumbline/conformance'
import { lossAndGradient } from '@plumbline/core'
import { DpoListwise, dpoListwiseOptions } from '../src'

it.each(['none', 'detached', 'boundary'] as const)('equals the reference vectors, constraint %s', (constraint) => {
  for (const group of referenceCases()) {
    const loss = new DpoListwise({ constraint, dpoBeta: group.dpoBeta, beta: constraint === 'boundary' ? group.beta : undefined })
    expect(relativeError(lossAndGradient(loss, group), group.expected[`dpo-listwise/${constraint}`]!)).toBeLessThan(1e-6)
  }
})

interface TrlCase {
  loss_type: string
  beta: number
  lengths: [number, number]
  logProbs: [number, number]
  referenceLogProbs: [number, number]
  loss: number
  grad: [number, number]
  metrics: Record<string, number>
}

/** What TRL's own DPOTrainer computes for pairs. */
const fixture = join(__dirname, '../../plugin-dpo/test/fixtures/trl-losses.json')
const { cases } = JSON.parse(readFileSync(fixture, 'utf8')) as { cases: TrlCase[] }
const sigmoid = cases.filter(({ loss_type }) => loss_type === 'sigmoid')

it.each(sigmoid.map((trl) => [trl.beta, trl.lengths.join(' and '), trl] as const))(
  'of two candidates is TRL’s DPO: β = %d, lengths %s',
  (dpoBeta, _, trl) => {
    const { lengths, logProbs, referenceLogProbs } = trl
    const group = { k: 2, lengths, logProbs, referenceLogProbs, positive: [true, false], rewards: [1, 0], reference: [false, false] }
    const loss = new DpoListwise({ dpoBeta })
    expect(relativeError(lossAndGradient(loss, group), trl)).toBeLessThan(1e-6)
    const metrics = loss.metrics({ ...group, scores: logProbs.map((l, c) => l / lengths[c]!) })
    for (const [name, value] of Object.entries(trl.metrics)) expect(metrics[name]).toBeCloseTo(value, 10)
  },
)

const group = (ratios: readonly number[], rewards: readonly number[]) => ({
  k: ratios.length,
  lengths: ratios.map(() => 5),
  logProbs: ratios.map((r) => r - 3),
  referenceLogProbs: ratios.map(() => -3),
  rewards,
  positive: rewards.map(() => false),
  reference: rewards.map(() => false),
})

it('is the probability of the ranking under Plackett and Luce, by hand', () => {
  const worth = [0.5, -0.25, 1].map(Math.exp) // β_d = 1
  const [a, b, c] = worth as [number, number, number]
  const { loss } = lossAndGradient(new DpoListwise({ dpoBeta: 1 }), group([0.5, -0.25, 1], [3, 1, 2]))
  expect(loss).toBeCloseTo(-Math.log((a / (a + b + c)) * (c / (c + b))), 6)
})

it('sums to 1 over all rankings of four', () => {
  const orders = [0, 1, 2, 3].flatMap((i) =>
    [0, 1, 2, 3].flatMap((j) => [0, 1, 2, 3].flatMap((k) => (new Set([i, j, k]).size === 3 ? [[i, j, k, 6 - i - j - k]] : []))),
  )
  expect(orders).toHaveLength(24)
  const likelihood = (rewards: readonly number[]) =>
    Math.exp(-lossAndGradient(new DpoListwise({ dpoBeta: 0.7 }), group([0.3, -2, 1.2, 0], rewards)).loss)
  expect(orders.reduce((sum, rewards) => sum + likelihood(rewards), 0)).toBeCloseTo(1, 6)
})

it('contrasts each of several equals with what is worse, and never with one another', () => {
  const [a, b, c] = [0.5, -0.25, 1].map((r) => Math.exp(0.1 * r)) as [number, number, number]
  const { loss } = lossAndGradient(new DpoListwise(), group([0.5, -0.25, 1], [1, 0, 1]))
  expect(loss).toBeCloseTo(-Math.log(a / (a + b)) - Math.log(c / (c + b)), 6)
})

it('has TRL’s β and the other losses’ margin by default, and scores what stands in a pair', () => {
  expect(dpoListwiseOptions.parse({})).toMatchObject({ dpoBeta: 0.1, constraint: 'none' })
  expect(new DpoListwise({ constraint: 'boundary' }).manifest.beta).toBe(0.15)
  expect(new DpoListwise().needed(group([1, 2, 3], [2, 1, 2]))).toEqual([true, true, true])
  expect(new DpoListwise().needed(group([1, 2, 3], [1, 1, 1]))).toEqual([false, false, false])
  expect(new DpoListwise().metrics({ ...group([1, 2], [1, 0]), referenceLogProbs: undefined, scores: [0, 0] })).toEqual({})
})

it.each([
  [{ beta: 0.1 }, 'beta'], // TRL's name of dpoBeta
  [{ dpoBeta: 0 }, 'dpoBeta'],
  [{ pairing: 'all' }, undefined],
])('refuses %j', (options, key) => {
  expect(dpoListwiseOptions.safeParse(options).error?.issues[0]?.path[0]).toBe(key)
})
