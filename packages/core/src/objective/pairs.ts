import type * as tf from '@tensorflow/tfjs-core'
import type { GroupPairs } from '../seams/pairs'
import { pick } from './tensors'

/** {@link GroupPairs} from rewards, from labels, or as a loss chooses them. */
export class Pairs implements GroupPairs {
  private constructor(
    readonly k: number,
    /** i of every pair. */
    readonly betterIndex: readonly number[],
    /** j of every pair. */
    readonly worseIndex: readonly number[],
  ) {}

  /** All i, j with reward_i > reward_j. */
  static ranked(rewards: readonly number[]): Pairs {
    return Pairs.where(rewards.length, (i, j) => rewards[i]! > rewards[j]!)
  }

  /** All i, j with i right and j wrong. */
  static binary(positive: readonly boolean[]): Pairs {
    return Pairs.where(positive.length, (i, j) => positive[i]! && !positive[j]!)
  }

  /** These pairs and no others, for a loss that chooses its own. */
  static of(k: number, pairs: readonly (readonly [better: number, worse: number])[]): Pairs {
    return new Pairs(
      k,
      pairs.map(([i]) => i),
      pairs.map(([, j]) => j),
    )
  }

  private static where(k: number, isBetter: (i: number, j: number) => boolean): Pairs {
    const better: number[] = []
    const worse: number[] = []
    for (let i = 0; i < k; i++) {
      for (let j = 0; j < k; j++) {
        if (isBetter(i, j)) {
          better.push(i)
          worse.push(j)
        }
      }
    }
    return new Pairs(k, better, worse)
  }

  get count(): number {
    return this.betterIndex.length
  }

  get isEmpty(): boolean {
    return this.count === 0
  }

  /** values [k] → the better side [pairs]. Differentiable. */
  better(values: tf.Tensor1D): tf.Tensor1D {
    return pick(values, this.betterIndex)
  }

  /** values [k] → the worse side [pairs]. Differentiable. */
  worse(values: tf.Tensor1D): tf.Tensor1D {
    return pick(values, this.worseIndex)
  }
}
