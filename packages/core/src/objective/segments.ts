import * as tf from '@tensorflow/tfjs-core'
import './cpu'
import { doubles, valuesOf } from './double'

/**
 * Σ_k log(1 + Σ_{n in segment k} exp(e_n)), over the elements of all `exponents`, each [n].
 *
 * One operation instead of a dozen per segment; in double precision inside, and finite for exponents of any size.
 */
export function sumOfLogOnePlusSumExp(segment: readonly number[], ...exponents: readonly tf.Tensor1D[]): tf.Scalar {
  const operation = tf.customGrad((...args) => {
    const values = (args.slice(0, exponents.length) as tf.Tensor1D[]).map((t) => Float64Array.from(valuesOf(t))) // the last argument saves tensors
    const each = (visit: (k: number, e: number) => void) => {
      for (const data of values) data.forEach((e, n) => visit(segment[n]!, e))
    }
    const peak = new Map(segment.map((k) => [k, 0]))
    each((k, e) => peak.set(k, Math.max(peak.get(k)!, e)))
    const sum = new Map(segment.map((k) => [k, 0]))
    each((k, e) => sum.set(k, sum.get(k)! + Math.exp(e - peak.get(k)!)))
    // with the peak at 0 the "1 +" is the largest term
    const rest = new Map(
      segment.map((k) => [k, peak.get(k) === 0 ? Math.log1p(sum.get(k)!) : Math.log(Math.exp(-peak.get(k)!) + sum.get(k)!)]),
    )

    let value = 0
    for (const [k, above] of rest) value += peak.get(k)! + above
    const gradFunc = (dy: tf.Tensor) => {
      const scale = valuesOf(dy)[0]!
      return values.map((data) => doubles(data.map((e, n) => scale * Math.exp(e - peak.get(segment[n]!)! - rest.get(segment[n]!)!))))
    }
    return { value: tf.scalar(value), gradFunc: gradFunc }
  })
  return operation(...exponents)
}
