import { referenceCases, relativeError } from '@plumbline/conformance'
import { lossAndGradient } from '@plumbline/core'
import { Pro } from '../src'

it.each(['none', 'detached', 'boundary'] as const)('equals the reference vectors, constraint %s', (constraint) => {
  for (const group of referenceCases()) {
    const loss = new Pro({ constraint, beta: group.beta })
    expect(relativeError(lossAndGradient(loss, group), group.expected[`pro/${constraint}`]!)).toBeLessThan(1e-6)
  }
})

const group = (rewards: number[], scores = [-0.4, -1.1, -0.7, -2.5]) => ({
  k: rewards.length,
  lengths: rewards.map(() => 10),
  logProbs: scores.slice(0, rewards.length).map((s) => 10 * s),
  rewards,
  positive: rewards.map(() => false),
  reference: rewards.map(() => false),
})

it('reads differences of rewards only', () => {
  const { loss, gradient } = lossAndGradient(new Pro(), group([3, 1, 2, 0]))
  const moved = lossAndGradient(new Pro(), group([1003, 1001, 1002, 1000]))
  expect(moved.loss).toBeCloseTo(loss, 6)
  moved.gradient.forEach((g, c) => expect(g).toBeCloseTo(gradient[c]!, 6))
})

it.each([1e-30, 1e-6, 1e6, 1e30])('is finite, and right in the limit, for rewards of scale %d', (scale) => {
  const { loss, gradient } = lossAndGradient(
    new Pro(),
    group(
      [1, 0].map((r) => r * scale),
      [-2, -1],
    ),
  )
  expect([loss, ...gradient].every(Number.isFinite)).toBe(true)
  // two candidates: log(1 + exp(d (s_2 − s_1))) with d = scale and s_2 − s_1 = 1
  expect(loss / (scale < 1 ? Math.LN2 : scale)).toBeCloseTo(1, 5)
})

it('of two levels with one candidate each is the logistic loss of the scaled difference', () => {
  const { loss } = lossAndGradient(new Pro(), group([2.5, 0], [-0.4, -1.1]))
  expect(loss).toBeCloseTo(Math.log1p(Math.exp(2.5 * (-1.1 + 0.4))), 6)
})

it('leaves candidates tied with k out of its sum', () => {
  // by hand: k = 0 and k = 1 each against candidate 2 alone, with d = 2; candidate 2 has none below
  const s = [-0.4, -1.1, -0.7]
  const expected = [0, 1].reduce((sum, k) => sum + Math.log1p(Math.exp(2 * (s[2]! - s[k]!))), 0)
  expect(lossAndGradient(new Pro(), group([3, 3, 1], s)).loss).toBeCloseTo(expected, 6)
})

it('keeps its digits where every pair is far in order', () => {
  const { loss } = lossAndGradient(new Pro(), group([1, 0], [-0.5, -33.5]))
  expect(loss / Math.log1p(Math.exp(-33))).toBeCloseTo(1, 5)
})
