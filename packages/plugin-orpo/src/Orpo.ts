import {
  boundary,
  BOUNDARY_MARGIN,
  choosePairs,
  combination,
  CONSTRAINTS,
  detach,
  inPairs,
  logOnePlusExp,
  marginOptions,
  onlyWithBoundary,
  pairingOption,
  pairMetrics,
  type Pairs,
} from '@plumbline/core'
import type { AlignmentLoss, GroupLabels, GroupScores, LossManifest, ScoredGroup } from '@plumbline/core'
import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import { logOdds } from './log-odds'

export const orpoOptions = z
  .strictObject({
    ...marginOptions('none'),
    /** λ: the weight of the odds ratio. TRL's `beta`. */
    lambda: z.number().positive().default(0.1),
    /** The weight of the likelihood of the better candidates, 1 in the paper. 0 where `sft` stands beside this loss. */
    nllWeight: z.number().nonnegative().default(1),
    ...pairingOption(),
  })
  .superRefine(onlyWithBoundary('TRL’s beta is lambda'))

export type OrpoOptions = z.output<typeof orpoOptions>

/**
 * Odds Ratio Preference Optimization (arXiv:2403.07691): the likelihood of the better candidate, and beside it the log-odds of the
 * better against those of the worse. No reference policy.
 *
 * Shapes: scores [k], nats per token; P = exp(s).
 */
export class Orpo implements AlignmentLoss {
  readonly manifest: LossManifest
  private readonly options: OrpoOptions

  constructor(options: z.input<typeof orpoOptions> = {}) {
    this.options = orpoOptions.parse(options)
    const { constraint, beta = BOUNDARY_MARGIN } = this.options
    this.manifest = {
      name: 'orpo',
      feedback: 'either',
      needsReference: false,
      unit: 'question',
      constraint,
      beta,
      constraints: CONSTRAINTS,
      paper: 'arXiv:2403.07691',
    }
  }

  loss({ scores, rewards }: ScoredGroup): tf.Scalar {
    const { lambda, nllWeight, pairing } = this.options
    const pairs = choosePairs(rewards, pairing)
    if (pairs.isEmpty) return tf.scalar(0)
    const nll = pairs.better(scores).mean<tf.Scalar>().neg<tf.Scalar>() // L_SFT of the better ones
    return this.oddsRatio(scores, pairs).mul(lambda).add(nll.mul(nllWeight))
  }

  /** L_OR (Eq. 7), mean over the pairs. */
  private oddsRatio(scores: tf.Tensor1D, pairs: Pairs): tf.Scalar {
    const { constraint, beta = BOUNDARY_MARGIN, boundaryGradient } = this.options
    const better = logOdds(pairs.better(scores)) // [pairs]
    const open = logOdds(pairs.worse(scores)) //    [pairs]
    const worse = constraint === 'detached' ? detach(open) : open
    const wrong = combination([worse, 1], [better, -1])
    if (constraint !== 'boundary') return logOnePlusExp(wrong).mean()
    // log-odds grow with the score, so both exponents are equal exactly where s_l = B
    const B = logOdds(boundary(scores, pairs, beta, { gradient: boundaryGradient }))
    return logOnePlusExp(wrong, combination([B, 2], [better, -1], [worse, -1])).mean()
  }

  needed({ k, rewards }: GroupLabels): readonly boolean[] {
    return inPairs(k, choosePairs(rewards, this.options.pairing))
  }

  /** Named as TRL names them. */
  metrics({ rewards, scores }: GroupScores): Readonly<Record<string, number>> {
    return pairMetrics(choosePairs(rewards, this.options.pairing), (c) => this.options.lambda * scores[c]!)
  }
}
