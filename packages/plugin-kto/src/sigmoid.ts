import { doubles, valuesOf } from '@plumbline/core'
import * as tf from '@tensorflow/tfjs-core'

/**
 * σ(factor · (x − shift)), element by element, in double precision; finite for arguments of any size.
 *
 * @param x [n]
 * @returns [n]
 */
export function sigmoid(x: tf.Tensor1D, factor: number, shift: number): tf.Tensor1D {
  const operation = tf.customGrad((t) => {
    const values = Float64Array.from(valuesOf(t as tf.Tensor1D), (value) => logistic(factor * (value - shift)))
    const gradFunc = (dy: tf.Tensor) => {
      const arriving = valuesOf(dy)
      return doubles(values.map((σ, n) => arriving[n]! * factor * σ * (1 - σ)))
    }
    return { value: doubles(values), gradFunc }
  })
  return operation(x)
}

/** Of a large negative argument it keeps its digits. */
function logistic(x: number): number {
  const tail = Math.exp(-Math.abs(x))
  return (x < 0 ? tail : 1) / (1 + tail)
}

/** The larger of two, element by element, in double precision; the gradient goes to the one that it is, [n]. */
export function larger(a: tf.Tensor1D, b: tf.Tensor1D): tf.Tensor1D {
  const operation = tf.customGrad((...args) => {
    const [x, y] = (args.slice(0, 2) as tf.Tensor1D[]).map((t) => Float64Array.from(valuesOf(t))) as [Float64Array, Float64Array]
    const gradFunc = (dy: tf.Tensor) => {
      const arriving = Float64Array.from(valuesOf(dy))
      const first = arriving.map((d, n) => (x[n]! >= y[n]! ? d : 0))
      return [doubles(first), doubles(arriving.map((d, n) => d - first[n]!))]
    }
    return { value: doubles(x.map((value, n) => Math.max(value, y[n]!))), gradFunc }
  })
  return operation(a, b)
}
