import * as tf from '@tensorflow/tfjs-core'
import './cpu'
import { doubles, valuesOf } from './double'
import { held } from './held'
import type { GroupPairs } from '../seams/pairs'

export interface BoundaryOptions {
  /** `stop` (default): B is a constant. `flow`: its gradient reaches the worst better candidate, and descent pushes that one down. */
  readonly gradient?: 'stop' | 'flow'
}

/**
 * B_j = min_{i ≻ j} s_i − β for every pair (i, j): how far the worse candidate j may fall below the worst candidate that is better
 * (AFT, section 3.2; for ranked feedback section 3.3). No gradient reaches it unless asked for.
 *
 * @param scores [k]
 * @param beta one for all, in the unit of `scores` (nats per token), or one per candidate [k], read at the worse candidate
 * @returns [pairs]
 */
export function boundary(
  scores: tf.Tensor1D,
  pairs: GroupPairs,
  beta: number | readonly number[],
  { gradient = 'stop' }: BoundaryOptions = {},
): tf.Tensor1D {
  const operation = tf.customGrad((x) => {
    const s = valuesOf(x as tf.Tensor1D)
    const least = new Float64Array(pairs.k).fill(Infinity) // min over i ≻ j, for each j
    pairs.worseIndex.forEach((j, n) => (least[j] = Math.min(least[j]!, s[pairs.betterIndex[n]!]!)))
    const value = Float64Array.from(pairs.worseIndex, (j) => least[j]! - (typeof beta === 'number' ? beta : beta[j]!))

    const gradFunc = (dy: tf.Tensor) => {
      const ds = new Float64Array(pairs.k)
      if (gradient === 'flow') {
        const upstream = valuesOf(dy)
        const arriving = new Float64Array(pairs.k) // ∂/∂B_j, over the pairs of j
        pairs.worseIndex.forEach((j, n) => (arriving[j]! += upstream[n]!))
        const attained = pairs.worseIndex.map((j, n) => s[pairs.betterIndex[n]!] === least[j])
        const ties = new Float64Array(pairs.k)
        pairs.worseIndex.forEach((j, n) => (ties[j]! += Number(attained[n])))
        pairs.worseIndex.forEach((j, n) => {
          if (attained[n]) ds[pairs.betterIndex[n]!]! += arriving[j]! / ties[j]!
        })
      }
      return doubles(ds)
    }
    return { value: doubles(gradient === 'stop' ? held(value) : value), gradFunc }
  })
  return operation(scores)
}
