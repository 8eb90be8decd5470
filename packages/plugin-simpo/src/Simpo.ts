import {
  boundary,
  BOUNDARY_MARGIN,
  choosePairs,
  combination,
  CONSTRAINTS,
  detach,
  doubles,
  inPairs,
  logOnePlusExp,
  marginOptions,
  onlyWithBoundary,
  pairingOption,
  pairMetrics,
} from '@plumbline/core'
import type { AlignmentLoss, GroupLabels, GroupScores, LossManifest, ScoredGroup } from '@plumbline/core'
import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'

export const simpoOptions = z
  .strictObject({
    ...marginOptions('none'),
    /** β_s: what a mean log-probability is multiplied by to be a reward. TRL's `beta` of `loss_type: simpo`. */
    simpoBeta: z.number().positive().default(2),
    /** γ: by how much the better candidate's reward β_s s should be ahead. TRL's `simpo_gamma`. */
    simpoGamma: z.number().nonnegative().default(0.5),
    ...pairingOption(),
  })
  .superRefine(onlyWithBoundary('SimPO’s own β is simpoBeta'))

export type SimpoOptions = z.output<typeof simpoOptions>

/**
 * Simple Preference Optimization (arXiv:2405.14734): the mean log-probability of a candidate is its reward, and the better of two should
 * be ahead by a margin. No reference policy.
 *
 * Shapes: scores [k], nats per token.
 */
export class Simpo implements AlignmentLoss {
  readonly manifest: LossManifest
  private readonly options: SimpoOptions

  constructor(options: z.input<typeof simpoOptions> = {}) {
    this.options = simpoOptions.parse(options)
    const { constraint, beta = BOUNDARY_MARGIN } = this.options
    this.manifest = {
      name: 'simpo',
      feedback: 'either',
      needsReference: false,
      unit: 'question',
      constraint,
      beta,
      constraints: CONSTRAINTS,
      paper: 'arXiv:2405.14734',
    }
  }

  loss({ scores, rewards }: ScoredGroup): tf.Scalar {
    const { constraint, beta = BOUNDARY_MARGIN, boundaryGradient, simpoBeta, simpoGamma: γ, pairing } = this.options
    const pairs = choosePairs(rewards, pairing)
    if (pairs.isEmpty) return tf.scalar(0)
    const better = pairs.better(scores) // s_w, [pairs]
    const open = pairs.worse(scores) //     s_l, [pairs]
    const margin = doubles(pairs.betterIndex.map(() => γ))
    const worse = constraint === 'detached' ? detach(open) : open
    // Eq. 6: −log σ(β_s (s_w − s_l) − γ)
    const wrong = combination([worse, simpoBeta], [better, -simpoBeta], [margin, 1])
    if (constraint !== 'boundary') return logOnePlusExp(wrong).mean()
    const B = boundary(scores, pairs, beta, { gradient: boundaryGradient })
    const fallen = combination([B, 2 * simpoBeta], [better, -simpoBeta], [worse, -simpoBeta], [margin, 1])
    return logOnePlusExp(wrong, fallen).mean()
  }

  needed({ k, rewards }: GroupLabels): readonly boolean[] {
    return inPairs(k, choosePairs(rewards, this.options.pairing))
  }

  /** Named as TRL names them. */
  metrics({ rewards, scores }: GroupScores): Readonly<Record<string, number>> {
    return pairMetrics(choosePairs(rewards, this.options.pairing), (c) => this.options.simpoBeta * scores[c]!)
  }
}
