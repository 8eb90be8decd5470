import * as tf from '@tensorflow/tfjs-core'
import './cpu'

/**
 * Tensors of dtype float32 that hold their values in double precision.
 *
 * tfjs has no float64. But the kernels of its CPU backend read what a tensor was made with, compute in double and round their result:
 * from such tensors `logProbs.sub(referenceLogProbs)` is the difference taken in double, and only then a float32. A difference of two
 * rounded sums would keep few digits, for the two are nearly equal as long as the policy is near its reference. `dataSync` rounds.
 */
const exact = new WeakMap<object, Float64Array>() // by the tensor's data, which clones and reshapes share

/** A tensor of these values, which it keeps in double precision. */
export function doubles(values: ArrayLike<number>): tf.Tensor1D {
  return keeping(values, [values.length]) as tf.Tensor1D
}

/** The scalar of this value, which it keeps in double precision. */
export function double(value: number): tf.Scalar {
  return keeping([value], []) as tf.Scalar
}

/** The values of a tensor: in double precision where it was made so and went through no operation since. */
export function valuesOf(t: tf.Tensor): ArrayLike<number> {
  return exact.get(t.dataId) ?? t.dataSync()
}

/** A tensor of another shape, kept in double precision likewise. */
export function keeping(values: ArrayLike<number>, shape: number[]): tf.Tensor {
  const kept = Float64Array.from(values)
  const t = tf.engine().makeTensor(kept as unknown as tf.TypedArray, shape, 'float32')
  exact.set(t.dataId, kept)
  return t
}

/** One term of {@link combination}: values [n] and what each is multiplied by. */
export type Term = readonly [values: tf.Tensor1D, factor: number | readonly number[]]

/**
 * Σ factor ⊙ values, element by element, in double precision; differentiable. For exponents like 2B − s_i − s_j, whose terms are
 * larger than their sum.
 *
 * @returns [n]
 */
export function combination(...terms: readonly [Term, ...Term[]]): tf.Tensor1D {
  const factors = terms.map(
    ([, factor]) =>
      (n: number) =>
        typeof factor === 'number' ? factor : factor[n]!,
  )
  const operation = tf.customGrad((...args) => {
    const values = (args.slice(0, terms.length) as tf.Tensor1D[]).map(valuesOf) // the last argument is the function that saves tensors
    const sum = Float64Array.from(values[0]!, (_, n) => values.reduce((total, of, t) => total + factors[t]!(n) * of[n]!, 0))
    const gradFunc = (dy: tf.Tensor) => {
      const arriving = valuesOf(dy)
      return factors.map((factor) => doubles(Float64Array.from(arriving, (d, n) => d * factor(n))))
    }
    return { value: doubles(sum), gradFunc: gradFunc }
  })
  return operation(...terms.map(([values]) => values))
}
