import {
  boundary,
  BOUNDARY_MARGIN,
  combination,
  CONSTRAINTS,
  detach,
  inPairs,
  marginOptions,
  onlyWithBoundary,
  pairMetrics,
  Pairs,
  sumOfLogOnePlusSumExp,
} from '@plumbline/core'
import type { AlignmentLoss, GroupLabels, GroupScores, LossManifest, ScoredGroup } from '@plumbline/core'
import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'

export const dpoListwiseOptions = z
  .strictObject({
    ...marginOptions('none'),
    /** β_d: how strongly the policy is held to the reference. */
    dpoBeta: z.number().positive().default(0.1),
  })
  .superRefine(onlyWithBoundary('DPO’s own β is dpoBeta'))

export type DpoListwiseOptions = z.output<typeof dpoListwiseOptions>

/**
 * Direct Preference Optimization under the Plackett-Luce model (arXiv:2305.18290, appendix A.3): the log-ratios to a frozen reference are
 * rewards, and the whole ranking should be likely under them.
 *
 * Shapes: logRatios [k], nats summed over the completion, in double precision.
 */
export class DpoListwise implements AlignmentLoss {
  readonly manifest: LossManifest
  private readonly options: DpoListwiseOptions

  constructor(options: z.input<typeof dpoListwiseOptions> = {}) {
    this.options = dpoListwiseOptions.parse(options)
    const { constraint, beta = BOUNDARY_MARGIN } = this.options
    this.manifest = {
      name: 'dpo-listwise',
      feedback: 'either',
      needsReference: true,
      unit: 'question',
      constraint,
      beta,
      constraints: CONSTRAINTS,
      paper: 'arXiv:2305.18290',
    }
  }

  loss({ logRatios, lengths, rewards }: ScoredGroup): tf.Scalar {
    const { constraint, beta = BOUNDARY_MARGIN, boundaryGradient, dpoBeta } = this.options
    const pairs = Pairs.ranked(rewards) // (k, j) with k better than j; ties give none
    if (pairs.isEmpty) return tf.scalar(0)
    const ratio = logRatios! // r = log π(c|q) − log π_ref(c|q), [k]
    const better = pairs.better(ratio) // r_k, [pairs]
    const open = pairs.worse(ratio) //     r_j, [pairs]
    const worse = constraint === 'detached' ? detach(open) : open
    // appendix A.3: −log of exp(β_d r_k) / Σ_{j from k on} exp(β_d r_j), with the numerator divided out
    const wrong = combination([worse, dpoBeta], [better, -dpoBeta])
    if (constraint !== 'boundary') return sumOfLogOnePlusSumExp(pairs.betterIndex, wrong)
    const band = lengths.map((n) => beta * n) // β is per token, the ratio is a sum
    const B = boundary(ratio, pairs, band, { gradient: boundaryGradient })
    return sumOfLogOnePlusSumExp(pairs.betterIndex, wrong, combination([B, 2 * dpoBeta], [better, -dpoBeta], [worse, -dpoBeta]))
  }

  needed({ k, rewards }: GroupLabels): readonly boolean[] {
    return inPairs(k, Pairs.ranked(rewards))
  }

  /** Over all pairs, named as TRL names those of DPO. */
  metrics({ rewards, logProbs, referenceLogProbs }: GroupScores): Readonly<Record<string, number>> {
    if (!referenceLogProbs) return {}
    return pairMetrics(Pairs.ranked(rewards), (c) => this.options.dpoBeta * (logProbs[c]! - referenceLogProbs[c]!))
  }
}
