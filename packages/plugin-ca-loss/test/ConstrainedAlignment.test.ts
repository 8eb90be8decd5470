import { referenceCases, relativeError } from '@plumbline/conformance'
import { lossAndGradient } from '@plumbline/core'
import { ConstrainedAlignment, constrainedAlignmentOptions } from '../src'

describe.each(['none', 'detached', 'boundary'] as const)('constraint %s', (constraint) => {
  it.each(['binary', 'ranked'] as const)('equals the reference vectors, %s feedback', (feedback) => {
    for (const group of referenceCases()) {
      const loss = new ConstrainedAlignment({ constraint, feedback, beta: group.beta })
      expect(relativeError(lossAndGradient(loss, group), group.expected[`ca/${feedback}/${constraint}`]!)).toBeLessThan(1e-6)
    }
  })
})

const group = (wrong: number) => ({
  k: 2,
  lengths: [10, 20],
  logProbs: [-5, 20 * wrong],
  positive: [true, false],
  rewards: [1, 0],
  reference: [false, false],
})

it('by hand: one right chain at −0.5, one wrong at −0.7 nats per token', () => {
  const loss = (constraint: 'none' | 'detached' | 'boundary') =>
    lossAndGradient(new ConstrainedAlignment({ constraint, beta: 0.15 }), group(-0.7)).loss
  expect(loss('none')).toBeCloseTo(Math.log(1 + Math.exp(-0.2)), 6)
  expect(loss('detached')).toBeCloseTo(Math.log(1 + Math.exp(-0.2)), 6)
  // B = −0.65, T = 2B − s_p = −0.8: exp(T − s_n) = exp(−0.1)
  expect(loss('boundary')).toBeCloseTo(Math.log(1 + Math.exp(-0.2) + Math.exp(-0.1)), 6)
})

it('the boundary turns the sign at B, to which exp(β) bounds the perplexity', () => {
  const slope = (wrong: number) => lossAndGradient(new ConstrainedAlignment({ beta: 0.15 }), group(wrong)).gradient[1]!
  expect(slope(-0.66)).toBeLessThan(0)
  expect(Math.abs(slope(-0.65))).toBeLessThan(1e-7)
  expect(slope(-0.64)).toBeGreaterThan(0)
})

it('a live boundary pushes the worst right chain down where the wrong one is far below', () => {
  const slope = (boundaryGradient: 'stop' | 'flow') =>
    lossAndGradient(new ConstrainedAlignment({ boundaryGradient }), group(-3)).gradient[0]
  expect(slope('flow')).toBeGreaterThan(0)
  expect(slope('stop')).toBeLessThan(0)
})

it('refuses options it does not have', () => {
  expect(() => new ConstrainedAlignment({ constrain: 'none' } as never)).toThrow('constrain')
  expect(constrainedAlignmentOptions.safeParse({ beta: -1 }).success).toBe(false)
})
