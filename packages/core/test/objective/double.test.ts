import * as tf from '@tensorflow/tfjs-core'
import { combination, doubles, lossAndGradient, valuesOf, type AlignmentLoss, type GroupNumbers, type ScoredGroup } from '../../src'

const labels = (k: number): Omit<GroupNumbers, 'logProbs'> => ({
  k,
  lengths: Array.from({ length: k }, () => 1),
  positive: Array.from({ length: k }, (_, c) => c === 0),
  rewards: Array.from({ length: k }, (_, c) => -c),
  reference: Array.from({ length: k }, () => false),
})

const loss = (of: (group: ScoredGroup) => tf.Scalar): AlignmentLoss => ({
  manifest: {
    name: 'ratio',
    feedback: 'either',
    needsReference: true,
    unit: 'question',
    constraint: 'none',
    constraints: ['none'],
    paper: '',
  },
  loss: of,
})

/** Sums of a long completion, whose difference a float32 (steps of 6e-5 at −1000) would round to a few digits. */
const far = { ...labels(2), logProbs: [-1000.00012345, -998], referenceLogProbs: [-1000, -998.00071], lengths: [700, 640] }
const ratios = [-0.00012345, 0.00071]

describe.each([
  ['logRatios', (group: ScoredGroup) => group.logRatios!],
  ['logProbs.sub(referenceLogProbs), as a loss of others may say', (g: ScoredGroup) => g.logProbs.sub<tf.Tensor1D>(g.referenceLogProbs!)],
])('%s', (_, ratio) => {
  it.each([0, 1])('of candidate %d keeps its digits, and its gradient is one of logProbs', (c) => {
    const result = lossAndGradient(
      loss((group) => ratio(group).slice([c], [1]).asScalar().mul(3)),
      far,
    )
    expect(Math.abs(result.loss / (3 * ratios[c]!) - 1)).toBeLessThan(1e-6)
    expect(result.gradient).toEqual([0, 1].map((at) => (at === c ? 3 : 0)))
  })
})

it('joins the gradients of scores, sums and log-ratios', () => {
  const all = loss(({ scores, logProbs, logRatios }) => tf.sum<tf.Scalar>(scores.add(logProbs.mul(10)).add(logRatios!.mul(100))))
  const { gradient } = lossAndGradient(all, { ...labels(2), logProbs: [-8, -1], referenceLogProbs: [-7, -2], lengths: [4, 1] })
  expect(gradient).toEqual([110.25, 111])
})

it('gives no log-ratios where there is no reference', () => {
  const asked: unknown[] = []
  const noting = loss(({ logRatios }) => (asked.push(logRatios), tf.scalar(0)))
  lossAndGradient(noting, { ...labels(2), logProbs: [-1, -2] })
  expect(asked).toEqual([undefined])
})

it('the worse less the better keeps its digits where scores lie close together', () => {
  const close = { ...labels(2), logProbs: [-7, -7.0000003] }
  const apart = loss(({ scores, pairs }) => pairs.better(scores).sub(pairs.worse(scores)).sum())
  expect(Math.abs(lossAndGradient(apart, close).loss / 3e-7 - 1)).toBeLessThan(1e-6)
})

describe('combination', () => {
  it('adds up in double what cancels: 2B − s_i − s_j', () => {
    tf.tidy(() => {
      const [B, i, j] = [[-5.15000001], [-5.1], [-5.2]].map((values) => doubles(values))
      expect(valuesOf(combination([B!, 2], [i!, -1], [j!, -1]))[0]! / -2e-8).toBeCloseTo(1, 6)
    })
  })

  it('has each factor as its gradient, one for all or one per element', () => {
    const { grads } = tf.tidy(() => {
      const f = (a: tf.Tensor, b: tf.Tensor) => combination([a as tf.Tensor1D, -2], [b as tf.Tensor1D, [3, 4]]).sum<tf.Scalar>()
      const { grads } = tf.valueAndGrads(f)([doubles([1, 2]), doubles([5, 6])])
      return { grads: grads.map((grad) => [...grad.dataSync()]) }
    })
    expect(grads).toEqual([
      [-2, -2],
      [3, 4],
    ])
  })
})

it('a tensor in double is a float32 to everybody else', () => {
  tf.tidy(() => {
    const third = doubles([1 / 3])
    expect(third.dtype).toBe('float32')
    expect(third.dataSync()[0]).toBe(Math.fround(1 / 3))
    expect(valuesOf(third.clone().reshape([1, 1]))[0]).toBe(1 / 3)
    expect(valuesOf(third.mul(1))[0]).toBe(Math.fround(1 / 3))
  })
})
