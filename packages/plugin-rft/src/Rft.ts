import { boundary, combination, CONSTRAINTS, constraintOptions, logOnePlusSumExp, pick } from '@plumbline/core'
import type { AlignmentLoss, GroupLabels, GroupRecord, LossManifest, ScoredGroup, Selection } from '@plumbline/core'
import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import { selectChains } from './selection'

export const rftOptions = z.strictObject({
  ...constraintOptions('none'),
  /** What the batch loss is a mean over: questions, or the chains that were kept. */
  weighting: z.enum(['question', 'sample']).default('question'),
})

export type RftOptions = z.output<typeof rftOptions>

/**
 * Rejection-sampling fine-tuning (arXiv:2308.01825): imitate the model's own right chains of thought.
 *
 * Shapes: scores [k]. Unit: nats per token.
 */
export class Rft implements AlignmentLoss {
  readonly manifest: LossManifest
  private readonly options: RftOptions

  constructor(options: z.input<typeof rftOptions> = {}) {
    this.options = rftOptions.parse(options)
    const { constraint, beta, weighting } = this.options
    const unit = weighting === 'sample' ? 'sequence' : 'question'
    this.manifest = {
      name: 'rft',
      feedback: 'binary',
      needsReference: false,
      unit,
      constraint,
      beta,
      constraints: CONSTRAINTS,
      paper: 'arXiv:2308.01825',
    }
  }

  loss({ scores, positive, pairs }: ScoredGroup): tf.Scalar {
    const right = positive.flatMap((isRight, c) => (isRight ? [c] : []))
    if (right.length === 0) return tf.scalar(0)
    const loss = pick(scores, right).mean<tf.Scalar>().neg() // mean over the right chains of −s_p
    return this.perUnit(this.options.constraint === 'boundary' ? loss.add(this.boundaryTerm(scores, pairs)) : loss, right.length)
  }

  /** Negatives are never pushed down, so only the part of Eq. 8 (AFT) that pulls them up is there. */
  private boundaryTerm(scores: tf.Tensor1D, pairs: ScoredGroup['pairs']): tf.Scalar {
    const B = boundary(scores, pairs, this.options.beta, { gradient: this.options.boundaryGradient }) // [pairs]
    return logOnePlusSumExp(combination([B, 2], [pairs.better(scores), -1], [pairs.worse(scores), -1]))
  }

  /** With sequences as units each right chain brings its question's loss along. */
  private perUnit(loss: tf.Scalar, sequences: number): tf.Scalar {
    return this.options.weighting === 'sample' ? loss.mul(sequences) : loss
  }

  select({ candidates }: GroupRecord): Selection {
    return selectChains(candidates)
  }

  units({ positive }: GroupLabels): number {
    return positive.filter(Boolean).length
  }

  needed({ positive }: GroupLabels): readonly boolean[] {
    const all = this.options.constraint === 'boundary' && positive.some(Boolean)
    return positive.map((isRight) => all || isRight)
  }
}
