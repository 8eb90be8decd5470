import * as tf from '@tensorflow/tfjs-core'
import '../../src'

type F = (x: tf.Tensor2D) => tf.Tensor

// away from kinks and ties, where a derivative exists
const AT = [
  [0.3, -0.7, 1.1],
  [-1.6, 0.9, 0.45],
]
const POSITIVE = AT.map((row) => row.map((v) => Math.abs(v) + 0.2))
const other = [
  [0.8, -0.2, 0.5],
  [1.3, -1.1, 0.7],
]

/** name → function of a [2, 3] tensor; `true` puts it at positive values. */
const operations: Record<string, [F, boolean?]> = {
  add: [(x) => x.add(tf.tensor1d([1, 2, 3]))],
  'add, broadcast': [(x) => tf.add(tf.ones([4, 2, 3]), x)],
  sub: [(x) => tf.sub(other, x)],
  mul: [(x) => x.mul(x.mul(other))],
  'div by': [(x) => tf.div(other, x)],
  'div, broadcast': [(x) => x.div(x.sum(1, true))],
  maximum: [(x) => x.maximum(other)],
  minimum: [(x) => x.minimum(0.1)],
  squaredDifference: [(x) => x.squaredDifference(other)],
  pow: [(x) => x.pow(2.5), true],
  'pow, exponent': [(x) => tf.pow(1.7, x)],
  neg: [(x) => x.neg()],
  abs: [(x) => x.abs()],
  log: [(x) => x.log(), true],
  log1p: [(x) => x.log1p(), true],
  exp: [(x) => x.exp()],
  expm1: [(x) => x.expm1()],
  sqrt: [(x) => x.sqrt(), true],
  rsqrt: [(x) => x.rsqrt(), true],
  square: [(x) => x.square()],
  reciprocal: [(x) => x.reciprocal()],
  softplus: [(x) => x.softplus()],
  sigmoid: [(x) => x.sigmoid()],
  logSigmoid: [(x) => x.logSigmoid()],
  tanh: [(x) => x.tanh()],
  relu: [(x) => x.relu()],
  leakyRelu: [(x) => x.leakyRelu(0.1)],
  sin: [(x) => x.sin()],
  cos: [(x) => x.cos()],
  clipByValue: [(x) => x.clipByValue(-1, 1)],
  'step, sign, floor': [(x) => x.mul(x.step().add(x.sign()).add(x.floor()))],
  'where by comparison': [(x) => x.square().where(x.greater(0.4), x.neg())],
  cast: [(x) => x.cast('float32').mul(2)],
  reshape: [(x) => x.reshape([3, 2]).mul(tf.range(0, 6).reshape([3, 2]))],
  expandDims: [(x) => x.expandDims(1).mul(other[0]!)],
  transpose: [(x) => x.transpose().mul(tf.range(0, 6).reshape([3, 2]))],
  reverse: [(x) => x.reverse(1).mul(other)],
  slice: [(x) => x.slice([0, 1], [2, 2]).square()],
  pad: [
    (x) =>
      x
        .pad([
          [1, 0],
          [0, 2],
        ])
        .mul(tf.range(0, 15).reshape([3, 5])),
  ],
  tile: [(x) => x.tile([2, 3]).mul(tf.range(0, 36).reshape([4, 9]))],
  concat: [(x) => x.concat(x.square(), 1).mul(tf.range(0, 12).reshape([2, 6]))],
  stack: [(x) => tf.stack([x, x.square()], 1).mul(tf.range(0, 12).reshape([2, 2, 3]))],
  unstack: [(x) => tf.unstack(x, 1).reduce((sum, t, i) => sum.add(t.square().mul(i + 1)))],
  split: [
    (x) =>
      tf
        .split(x, [1, 2], 1)[1]!
        .square()
        .add(tf.split(x, [1, 2], 1)[0]!),
  ],
  addN: [(x) => tf.addN([x, x.square(), tf.tensor2d(other)])],
  gather: [(x) => x.gather(tf.tensor1d([1, 0, 1], 'int32')).square()],
  sum: [(x) => x.sum(0).square()],
  mean: [(x) => x.mean(1).square()],
  'mean of all': [(x) => x.mean().square()],
  max: [(x) => x.max(1).square()],
  min: [(x) => x.min(0).square()],
  cumsum: [(x) => x.cumsum(1, true).square()],
  logSumExp: [(x) => x.logSumExp(1)],
  softmax: [(x) => x.softmax().mul(other)],
  logSoftmax: [(x) => x.logSoftmax().mul(other)],
  matMul: [(x) => x.matMul(x, true).square()],
  'matMul, both transposed': [(x) => x.matMul(tf.tensor2d(other), true, false).matMul(x, false, true)],
  norm: [(x) => x.norm()],
}

describe('gradients of tfjs operations against central differences', () => {
  it.each(Object.entries(operations))('%s', (_, [operation, positive]) => {
    const at = (positive ? POSITIVE : AT).flat()
    const f = (values: number[] | Float32Array) =>
      tf.tidy(
        () =>
          operation(tf.tensor2d(values as number[], [2, 3]))
            .sum()
            .dataSync()[0]!,
      )
    const gradient = tf.tidy(() =>
      tf
        .grad((x) => operation(x as tf.Tensor2D).sum())(tf.tensor2d(at, [2, 3]))
        .dataSync(),
    )
    const step = 2 ** -7 // float32: the rounding error of f is about 1e-7 / step, the truncation error about step²
    const moved = (i: number, by: number) => at.map((v, n) => (n === i ? v + by : v))
    at.forEach((_value, i) => {
      const near = (f(moved(i, step)) - f(moved(i, -step))) / (2 * step)
      const far = (f(moved(i, 2 * step)) - f(moved(i, -2 * step))) / (4 * step)
      const expected = (4 * near - far) / 3
      expect(Math.abs(gradient[i]! - expected)).toBeLessThan(2e-3 * Math.max(1, Math.abs(expected)))
    })
  })
})
