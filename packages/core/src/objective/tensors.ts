import * as tf from '@tensorflow/tfjs-core'
import './cpu'
import { double, doubles, keeping, valuesOf } from './double'
import { held } from './held'

/** Stop-gradient, D(·) in the formulas: the same values, and a zero gradient. tfjs has none of its own. */
export function detach<T extends tf.Tensor>(t: T): T {
  const stop = tf.customGrad((x) => ({ value: constant(x as tf.Tensor), gradFunc: (dy) => tf.zerosLike(dy) }))
  return stop(t) as T
}

function constant(t: tf.Tensor): tf.Tensor {
  const values = valuesOf(t)
  const kept = held(values)
  return kept === values ? tf.clone(t) : keeping(kept, t.shape)
}

/**
 * log(1 + Σ exp(e)) over all elements of all `exponents`: the form of AFT, Eq. 6 to 8, as a log-sum-exp over {0} ∪ {e}.
 *
 * No exponent gives exactly 0, with zero gradient; exponents of ±1e4 stay finite; sums far below 1 keep their digits.
 * The gradient is dy · exp(e − value). One operation, so that a loss over k numbers does not pay for a dozen.
 */
export function logOnePlusSumExp(...exponents: readonly tf.Tensor1D[]): tf.Scalar {
  if (exponents.length === 0) return tf.scalar(0)
  const operation = tf.customGrad((...args) => {
    const inputs = args.slice(0, exponents.length) as tf.Tensor1D[] // the last argument is the function that saves tensors
    const values = inputs.map((t) => Float64Array.from(valuesOf(t)))
    let peak = 0
    for (const data of values) for (const e of data) if (!(e <= peak)) peak = e // NaN included
    let sum = 0
    for (const data of values) for (const e of data) sum += Math.exp(e - peak)
    // with the peak at 0 the "1 +" is the largest term
    const rest = peak === 0 ? Math.log1p(sum) : Math.log(Math.exp(-peak) + sum)
    const gradFunc = (dy: tf.Tensor) => {
      const scale = valuesOf(dy)[0]!
      return values.map((data) => doubles(data.map((e) => scale * Math.exp(e - peak - rest))))
    }
    return { value: double(peak + rest), gradFunc: gradFunc }
  })
  return operation(...(exponents as tf.Tensor1D[]))
}

/**
 * values [k], indices into it [n] → the values there [n], with the gradient added up where an index repeats.
 *
 * tfjs's `gather` does the same; on the CPU its gradient takes several operations per element of `values`.
 */
export function pick(values: tf.Tensor1D, index: readonly number[]): tf.Tensor1D {
  const operation = tf.customGrad((x) => {
    const data = valuesOf(x as tf.Tensor1D)
    const gradFunc = (dy: tf.Tensor) => {
      const gradient = new Float64Array(data.length)
      const upstream = valuesOf(dy)
      for (let n = 0; n < index.length; n++) gradient[index[n]!]! += upstream[n]!
      return doubles(gradient)
    }
    return { value: doubles(index.map((i) => data[i]!)), gradFunc }
  })
  return operation(values)
}
