import {
  boundary,
  BOUNDARY_MARGIN,
  choosePairs,
  combination,
  CONSTRAINTS,
  detach,
  inPairs,
  logOnePlusExp,
  pairMetrics,
} from '@plumbline/core'
import type { AlignmentLoss, GroupLabels, GroupScores, LossManifest, ScoredGroup, Pairs } from '@plumbline/core'
import * as tf from '@tensorflow/tfjs-core'
import type { z } from 'zod'
import { dpoOptions, type DpoOptions } from './options'

/**
 * Direct Preference Optimization (arXiv:2305.18290): the log-ratio to a frozen reference is a reward, and the better of two
 * candidates should have the larger one.
 *
 * Shapes: logRatios [k], nats summed over the completion. They are differences of nearly equal sums, and so are their margins: both are
 * taken in double precision, and only a pair's margin becomes a float32.
 */
export class Dpo implements AlignmentLoss {
  readonly manifest: LossManifest
  private readonly options: DpoOptions

  constructor(options: z.input<typeof dpoOptions> = {}) {
    this.options = dpoOptions.parse(options)
    const { constraint, beta = BOUNDARY_MARGIN } = this.options
    this.manifest = {
      name: 'dpo',
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
    const pairs = choosePairs(rewards, this.options.pairing)
    if (pairs.isEmpty) return tf.scalar(0)
    const ratio = logRatios! // r = log π(c|q) − log π_ref(c|q), [k]
    if (this.options.lossType !== 'ipo') return this.margin(ratio, lengths, pairs)
    const perToken = lengths.map((n) => 1 / n)
    return this.ipo(combination([ratio, perToken]), pairs)
  }

  /** The losses of β_d (r_w − r_l): Eq. 7 and its smoothed, robust and hinge forms. */
  private margin(ratio: tf.Tensor1D, lengths: readonly number[], pairs: Pairs): tf.Scalar {
    const { constraint, beta = BOUNDARY_MARGIN, boundaryGradient, dpoBeta, lossType, labelSmoothing: ε } = this.options
    const better = pairs.better(ratio) // r_w, [pairs]
    const open = pairs.worse(ratio) //     r_l, [pairs]
    const worse = constraint === 'detached' ? detach(open) : open
    const wrong = combination([worse, dpoBeta], [better, -dpoBeta]) // how far the pair stands the wrong way round
    if (constraint === 'boundary') {
      const band = lengths.map((n) => beta * n) // β is per token, the ratio is a sum
      const B = boundary(ratio, pairs, band, { gradient: boundaryGradient })
      const above = combination([B, dpoBeta], [better, -dpoBeta])
      const below = combination([B, dpoBeta], [worse, -dpoBeta]) // how far r_l lies below B
      // the hinge's own margin reaches below B, so its push ends there
      if (lossType === 'hinge') return tf.relu(tf.maximum(wrong, above).add(1)).add(tf.relu(below)).mean()
      return logOnePlusExp(wrong, combination([above, 1], [below, 1])).mean()
    }
    const right = combination([wrong, -1])
    switch (lossType) {
      case 'hinge':
        return tf.relu(wrong.add(1)).mean() // SLiC (arXiv:2305.10425) on the log-ratio, as in TRL
      case 'robust':
        // rDPO (arXiv:2403.00409): unbiased where a label is flipped with probability ε
        return combination([logOnePlusExp(wrong), (1 - ε) / (1 - 2 * ε)], [logOnePlusExp(right), -ε / (1 - 2 * ε)]).mean()
      default:
        // Eq. 7, and cDPO where ε > 0; log(1 + exp(x)) = −log σ(−x)
        return combination([logOnePlusExp(wrong), 1 - ε], [logOnePlusExp(right), ε]).mean()
    }
  }

  /** IPO (arXiv:2310.12036, Eq. 17) over the mean log-ratio per token, as in TRL. */
  private ipo(meanRatio: tf.Tensor1D, pairs: Pairs): tf.Scalar {
    const { constraint, dpoBeta } = this.options
    const worse = pairs.worse(meanRatio)
    const margin = combination([pairs.better(meanRatio), 1], [constraint === 'detached' ? detach(worse) : worse, -1])
    return margin
      .sub(1 / (2 * dpoBeta))
      .square()
      .mean()
  }

  needed({ k, rewards }: GroupLabels): readonly boolean[] {
    return inPairs(k, choosePairs(rewards, this.options.pairing))
  }

  /** Named as TRL names them. */
  metrics({ rewards, logProbs, referenceLogProbs }: GroupScores): Readonly<Record<string, number>> {
    if (!referenceLogProbs) return {}
    return pairMetrics(choosePairs(rewards, this.options.pairing), (c) => this.options.dpoBeta * (logProbs[c]! - referenceLogProbs[c]!))
  }
}
