import { doubles, valuesOf } from '@plumbline/core'
import * as tf from '@tensorflow/tfjs-core'

/**
 * Where a mean log-probability ends: nearer to 0, P = exp(s) rounds to 1 in a model's float32, and its odds are infinite. Beyond it the
 * tangent goes on, so that value and gradient stay finite and the sign of the gradient stays what it was.
 */
const CLOSEST = -(2 ** -24)

/**
 * log(P / (1 − P)) of P = exp(s), element by element, in double precision.
 *
 * @param scores mean log-probabilities [n], nats per token
 * @returns [n]
 */
export function logOdds(scores: tf.Tensor1D): tf.Tensor1D {
  const operation = tf.customGrad((x) => {
    const s = Float64Array.from(valuesOf(x as tf.Tensor1D))
    const slope = s.map((value) => -1 / Math.expm1(Math.min(value, CLOSEST))) // 1 / (1 − P)
    const value = s.map((value, n) => {
      const within = Math.min(value, CLOSEST)
      return within - Math.log(-Math.expm1(within)) + (value - within) * slope[n]!
    })
    const gradFunc = (dy: tf.Tensor) => {
      const arriving = valuesOf(dy)
      return doubles(slope.map((d, n) => d * arriving[n]!))
    }
    return { value: doubles(value), gradFunc }
  })
  return operation(scores)
}
