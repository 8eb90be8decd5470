import * as tf from '@tensorflow/tfjs-core'
import { choosePairs, doubles, inPairs, logOnePlusExp, onCpu, pairMetrics, sumOfLogOnePlusSumExp, valuesOf } from '../../src'

/** Value and gradient of a sum of outputs, with respect to each input. */
function evaluated(f: (...inputs: tf.Tensor1D[]) => tf.Tensor, ...inputs: readonly (readonly number[])[]) {
  return onCpu(() =>
    tf.tidy(() => {
      const { value, grads } = tf.valueAndGrads((...args: tf.Tensor[]) => tf.sum(f(...(args as tf.Tensor1D[]))))(
        inputs.map((x) => doubles(x)),
      )
      return { value: value.dataSync()[0]!, gradients: grads.map((g) => Array.from(valuesOf(g))) }
    }),
  )
}

describe('logOnePlusExp', () => {
  it('is log(1 + e^a + e^b) element by element, with its softmax as gradient', () => {
    const { value, gradients } = evaluated((a, b) => logOnePlusExp(a, b), [0.5, -1], [1, 2])
    const whole = [1 + Math.exp(0.5) + Math.exp(1), 1 + Math.exp(-1) + Math.exp(2)] as const
    expect(value).toBeCloseTo(Math.log(whole[0]) + Math.log(whole[1]), 5)
    expect(gradients[0]![0]).toBeCloseTo(Math.exp(0.5) / whole[0], 12)
    expect(gradients[1]![1]).toBeCloseTo(Math.exp(2) / whole[1], 12)
  })

  it('is finite for exponents of any size and keeps the digits of small ones', () => {
    expect(evaluated((a) => logOnePlusExp(a), [1e4])).toEqual({ value: 1e4, gradients: [[1]] })
    const { value, gradients } = evaluated((a) => logOnePlusExp(a), [-60])
    expect(value / Math.exp(-60)).toBeCloseTo(1, 6)
    expect(gradients[0]![0]! / Math.exp(-60)).toBeCloseTo(1, 12)
  })
})

describe('sumOfLogOnePlusSumExp', () => {
  it('sums within a segment before the logarithm, and over segments after it', () => {
    const { value, gradients } = evaluated((e) => sumOfLogOnePlusSumExp([7, 2, 7], e), [0.5, -1, 2])
    const seven = 1 + Math.exp(0.5) + Math.exp(2)
    expect(value).toBeCloseTo(Math.log(seven) + Math.log1p(Math.exp(-1)), 5)
    expect(gradients[0]![2]).toBeCloseTo(Math.exp(2) / seven, 12)
  })

  it('of nothing is 0', () => {
    expect(evaluated((e) => sumOfLogOnePlusSumExp([], e), []).value).toBe(0)
  })
})

describe('choosePairs', () => {
  it('takes the first best against the first worst, or every pair of different reward', () => {
    const pairsOf = (pairing: 'best-worst' | 'all') => {
      const { betterIndex, worseIndex } = choosePairs([2, 3, 1, 3, 1], pairing)
      return betterIndex.map((i, n) => `${i}>${worseIndex[n]}`)
    }
    expect(pairsOf('best-worst')).toEqual(['1>2'])
    expect(pairsOf('all')).toEqual(['0>2', '0>4', '1>0', '1>2', '1>4', '3>0', '3>2', '3>4'])
    expect(choosePairs([1, 1], 'best-worst').isEmpty).toBe(true)
  })

  it('says which candidates stand in a pair', () => {
    expect(inPairs(3, choosePairs([2, 3, 1], 'best-worst'))).toEqual([false, true, true])
    expect(inPairs(2, choosePairs([1, 1], 'all'))).toEqual([false, false])
  })
})

it('pairMetrics are means over the pairs, and none without one', () => {
  const rewards = [1, 0, 0]
  const pairs = choosePairs(rewards, 'all')
  expect(pairMetrics(pairs, (c) => [-1, -2, 0.5][c]!)).toEqual({
    'rewards/chosen': -1,
    'rewards/rejected': -0.75,
    'rewards/margins': -0.25,
    'rewards/accuracies': 0.5,
  })
  expect(pairMetrics(choosePairs([1, 1], 'all'), () => 0)).toEqual({})
})
