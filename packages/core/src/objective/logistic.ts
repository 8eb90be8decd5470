import * as tf from '@tensorflow/tfjs-core'
import './cpu'
import { doubles, valuesOf } from './double'

/**
 * log(1 + Σ exp(e)), element by element over `exponents`, each [n]. Of one exponent it is softplus, −log σ(−e).
 *
 * In double precision, finite for exponents of any size, and with all its digits where every exponent is far below 0. The gradient is
 * dy · exp(e − value): where a candidate stands in many pairs its parts nearly cancel, and rounded parts would leave few digits.
 *
 * @returns [n]
 */
export function logOnePlusExp(...exponents: readonly tf.Tensor1D[]): tf.Tensor1D {
  const operation = tf.customGrad((...args) => {
    const values = (args.slice(0, exponents.length) as tf.Tensor1D[]).map(valuesOf) // the last argument is the function that saves tensors
    const result = Float64Array.from(values[0]!, (_, n) => {
      const peak = values.reduce((most, of) => Math.max(most, of[n]!), 0)
      const sum = values.reduce((total, of) => total + Math.exp(of[n]! - peak), 0)
      // with the peak at 0 the "1 +" is the largest term
      return peak === 0 ? Math.log1p(sum) : peak + Math.log(Math.exp(-peak) + sum)
    })
    const gradFunc = (dy: tf.Tensor) => {
      const arriving = valuesOf(dy)
      return values.map((of) => doubles(result.map((value, n) => arriving[n]! * Math.exp(of[n]! - value))))
    }
    return { value: doubles(result), gradFunc: gradFunc }
  })
  return operation(...exponents)
}
