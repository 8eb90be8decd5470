import type * as tf from '@tensorflow/tfjs-core'

/**
 * The pairs (i, j) of one group with candidate i better than candidate j. Ties give no pair.
 *
 * Indices are plain numbers; `better` and `worse` pick the two sides of a tensor [k] as tensors [pairs].
 */
export interface GroupPairs {
  readonly k: number
  /** i of every pair. */
  readonly betterIndex: readonly number[]
  /** j of every pair. */
  readonly worseIndex: readonly number[]
  readonly count: number
  readonly isEmpty: boolean
  /** values [k] → the better side [pairs]. Differentiable. */
  better(values: tf.Tensor1D): tf.Tensor1D
  /** values [k] → the worse side [pairs]. Differentiable. */
  worse(values: tf.Tensor1D): tf.Tensor1D
}
