import * as tf from '@tensorflow/tfjs-core'
import { boundary, combination, detach, doubles, logOnePlusSumExp, Pairs, pick } from '../../src'
import { vectorCases } from '../support/vectors'

/** Value and gradient of a scalar function of k numbers. */
function valueAndGradient(f: (x: tf.Tensor1D) => tf.Scalar, at: number[]): { value: number; gradient: number[] } {
  return tf.tidy(() => {
    const { value, grad } = tf.valueAndGrad((x: tf.Tensor) => f(x as tf.Tensor1D))(doubles(at))
    return { value: value.dataSync()[0]!, gradient: [...grad.dataSync()] }
  })
}

/** Largest error relative to the largest entry (1e-30 keeps an all-zero expectation meaningful). */
function relativeError(actual: number[], expected: number[]): number {
  const scale = Math.max(1e-30, ...expected.map(Math.abs))
  return Math.max(0, ...actual.map((a, i) => Math.abs(a - expected[i]!))) / scale
}

describe('detach', () => {
  it('keeps the values and stops the gradient: d/dx Σ x·D(x) = D(x)', () => {
    expect(valueAndGradient((x) => x.mul(detach(x)).sum(), [2, -3])).toEqual({ value: 13, gradient: [2, -3] })
  })

  it('gives an exactly zero gradient alone', () => {
    expect(valueAndGradient((x) => detach(x).sum(), [2, -3]).gradient.map(Math.abs)).toEqual([0, 0])
  })
})

describe('logOnePlusSumExp', () => {
  it('is log(1 + Σ exp e), with the softmax over {0} ∪ {e} as gradient', () => {
    // log(1 + 1 + 3) and the weights 1/5, 3/5
    const { value, gradient } = valueAndGradient((x) => logOnePlusSumExp(x), [0, Math.log(3)])
    expect(value).toBeCloseTo(Math.log(5), 6)
    expect(gradient[0]).toBeCloseTo(0.2, 6)
    expect(gradient[1]).toBeCloseTo(0.6, 6)
  })

  it('sums over all its arguments', () => {
    const { value, gradient } = valueAndGradient((x) => logOnePlusSumExp(x, x.neg()), [Math.log(2)])
    expect(value).toBeCloseTo(Math.log(1 + 2 + 0.5), 6)
    expect(gradient[0]).toBeCloseTo((2 - 0.5) / 3.5, 6)
  })

  it('is exactly 0 with zero gradient for no exponents', () => {
    expect(tf.tidy(() => logOnePlusSumExp().dataSync()[0])).toBe(0)
    const none = Pairs.binary([true, true])
    expect(valueAndGradient((x) => logOnePlusSumExp(none.worse(x).sub(none.better(x))), [1, 2])).toEqual({ value: 0, gradient: [0, 0] })
  })

  it('stays finite at ±1e4 and keeps the digits of tiny sums', () => {
    expect(valueAndGradient((x) => logOnePlusSumExp(x), [1e4, -1e4])).toEqual({ value: 1e4, gradient: [1, 0] })
    expect(valueAndGradient((x) => logOnePlusSumExp(x), [-1e4])).toEqual({ value: 0, gradient: [0] })
    const tiny = valueAndGradient((x) => logOnePlusSumExp(x), [-20])
    expect(tiny.value / Math.exp(-20)).toBeCloseTo(1, 6)
    expect(tiny.gradient[0]! / Math.exp(-20)).toBeCloseTo(1, 6)
  })

  it('scales with the gradient that arrives', () => {
    expect(valueAndGradient((x) => logOnePlusSumExp(x).mul<tf.Scalar>(4), [0]).gradient[0]).toBeCloseTo(2, 6)
  })
})

describe('pick', () => {
  it('adds up the gradient of repeated indices', () => {
    const { value, gradient } = valueAndGradient((x) => pick(x, [2, 0, 2]).mul([1, 10, 100]).sum(), [3, 5, 7])
    expect(value).toBe(7 + 30 + 700)
    expect(gradient).toEqual([10, 0, 101])
  })
})

describe('boundary', () => {
  const pairs = Pairs.ranked([2, 1, 0]) // (0,1) (0,2) (1,2)
  const scores = [-1, -3, -2]

  it('is the least better score less β, per pair', () => {
    const B = tf.tidy(() => [...boundary(tf.tensor1d(scores), pairs, 0.5).dataSync()])
    expect(B).toEqual([-1.5, -3.5, -3.5])
  })

  it('takes one β per candidate, read at the worse one', () => {
    const B = tf.tidy(() => [...boundary(tf.tensor1d(scores), pairs, [9, 1, 2]).dataSync()])
    expect(B).toEqual([-2, -5, -5])
  })

  it('carries no gradient unless asked to; then the worst better candidate gets it, ties share', () => {
    expect(valueAndGradient((s) => boundary(s, pairs, 0.5).sum(), scores).gradient).toEqual([0, 0, 0])
    expect(valueAndGradient((s) => boundary(s, pairs, 0.5, { gradient: 'flow' }).sum(), scores).gradient).toEqual([1, 2, 0])
    expect(valueAndGradient((s) => boundary(s, pairs, 0.5, { gradient: 'flow' }).sum(), [-1, -1, -2]).gradient).toEqual([2, 1, 0])
  })

  it('is empty without pairs', () => {
    expect(tf.tidy(() => boundary(tf.tensor1d([1, 2]), Pairs.ranked([0, 0]), 0.1).size)).toBe(0)
  })
})

describe('the pieces together reproduce the constrained alignment vectors', () => {
  const forms = {
    none: (w: tf.Tensor1D, b: tf.Tensor1D) => logOnePlusSumExp(w.sub(b)),
    detached: (w: tf.Tensor1D, b: tf.Tensor1D) => logOnePlusSumExp(detach(w).sub(b)),
    boundary: (w: tf.Tensor1D, b: tf.Tensor1D, B: tf.Tensor1D) => logOnePlusSumExp(w.sub(b), combination([B, 2], [b, -1], [w, -1])),
  }
  for (const feedback of ['binary', 'ranked'] as const) {
    it.each(['none', 'detached', 'boundary'] as const)(`${feedback}/%s`, (constraint) => {
      for (const c of vectorCases) {
        const pairs = feedback === 'binary' ? Pairs.binary(c.positive) : Pairs.ranked(c.rewards)
        const scores = c.logProbs.map((l, i) => l / c.lengths[i]!)
        const loss = (s: tf.Tensor1D) => forms[constraint](pairs.worse(s), pairs.better(s), boundary(s, pairs, c.beta))
        const { value, gradient } = valueAndGradient(loss, scores)
        const expected = c.expected[`ca/${feedback}/${constraint}`]!
        expect(relativeError([value], [expected.loss])).toBeLessThan(1e-6)
        const byLogProb = gradient.map((g, i) => g / c.lengths[i]!)
        expect(relativeError(byLogProb, expected.grad)).toBeLessThan(1e-6)
      }
    })
  }
})
