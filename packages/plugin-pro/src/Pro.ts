import { boundary, combination, CONSTRAINTS, constraintOptions, detach, Pairs, sumOfLogOnePlusSumExp } from '@plumbline/core'
import type { AlignmentLoss, LossManifest, ScoredGroup } from '@plumbline/core'
import type * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'

export const proOptions = z.strictObject({ ...constraintOptions('none') })

export type ProOptions = z.output<typeof proOptions>

/**
 * Preference Ranking Optimization (arXiv:2306.17492): from the best candidate down, each is contrasted with all worse ones, and the
 * gap between two rewards is the inverse temperature between their scores.
 *
 * Shapes: scores [k]; rewards are plain numbers, and only their differences matter. Unit: nats per token.
 */
export class Pro implements AlignmentLoss {
  readonly manifest: LossManifest
  private readonly options: ProOptions

  constructor(options: z.input<typeof proOptions> = {}) {
    this.options = proOptions.parse(options)
    const { constraint, beta } = this.options
    this.manifest = {
      name: 'pro',
      feedback: 'either',
      needsReference: false,
      unit: 'question',
      constraint,
      beta,
      constraints: CONSTRAINTS,
      paper: 'arXiv:2306.17492',
    }
  }

  loss({ scores, rewards }: ScoredGroup): tf.Scalar {
    const { constraint, beta, boundaryGradient } = this.options
    const pairs = Pairs.ranked(rewards) // (k, j) with r_k > r_j; ties give none
    const d = pairs.betterIndex.map((k, n) => rewards[k]! - rewards[pairs.worseIndex[n]!]!) // d_kj = 1 / T_k^j
    const widest = rewards.map((r_k) => r_k - Math.min(...rewards))
    const s_k = pairs.better(scores) // [pairs]
    const s_j = pairs.worse(scores) //  [pairs]
    const pull = pairs.betterIndex.map((k) => -widest[k]!) // −d_kk = −max_j d_kj
    switch (constraint) {
      case 'none':
        return sumOfLogOnePlusSumExp(pairs.betterIndex, combination([s_j, d], [s_k, pull])) // Eq. 7, each numerator divided out
      case 'detached':
        return sumOfLogOnePlusSumExp(pairs.betterIndex, combination([detach(s_j), d], [s_k, pull]))
      case 'boundary': {
        const B = boundary(scores, pairs, beta, { gradient: boundaryGradient }) // min better score − β, [pairs]
        return sumOfLogOnePlusSumExp(
          pairs.betterIndex,
          combination([s_j, d], [s_k, pull]),
          combination([B, d.map((gap) => 2 * gap)], [s_k, pull], [s_j, d.map((gap) => -gap)]), // 2B d_kj − s_k d_kk − s_j d_kj
        )
      }
    }
  }
}
