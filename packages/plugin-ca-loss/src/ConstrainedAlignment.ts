import { boundary, combination, CONSTRAINTS, constraintOptions, detach, logOnePlusSumExp } from '@plumbline/core'
import type { AlignmentLoss, LossManifest, ScoredGroup } from '@plumbline/core'
import type * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'

export const constrainedAlignmentOptions = z.strictObject({
  ...constraintOptions('boundary'),
  /** How pairs are formed: from right and wrong, from rewards, or from whichever the data has. */
  feedback: z.enum(['either', 'binary', 'ranked']).default('either'),
})

export type ConstrainedAlignmentOptions = z.output<typeof constrainedAlignmentOptions>

/**
 * Constrained Alignment loss (AFT, arXiv:2309.02144): every right chain of thought should score above every wrong one,
 * and no wrong one may fall out of reach.
 *
 * Shapes: scores [k]. Unit: nats per token.
 */
export class ConstrainedAlignment implements AlignmentLoss {
  readonly manifest: LossManifest
  private readonly options: ConstrainedAlignmentOptions

  constructor(options: z.input<typeof constrainedAlignmentOptions> = {}) {
    this.options = constrainedAlignmentOptions.parse(options)
    const { feedback, constraint, beta } = this.options
    this.manifest = {
      name: 'ca',
      feedback,
      needsReference: false,
      unit: 'question',
      constraint,
      beta,
      constraints: CONSTRAINTS,
      paper: 'arXiv:2309.02144',
    }
  }

  loss({ scores, pairs }: ScoredGroup): tf.Scalar {
    const { constraint, beta, boundaryGradient } = this.options
    const better = pairs.better(scores) // s_i, [pairs]
    const worse = pairs.worse(scores) //  s_j, [pairs]
    const behind = (other: tf.Tensor1D) => combination([other, 1], [better, -1]) // s_j − s_i, keeping the digits of both
    switch (constraint) {
      case 'none':
        return logOnePlusSumExp(behind(worse)) // Eq. 6
      case 'detached':
        return logOnePlusSumExp(behind(detach(worse))) // Eq. 7
      case 'boundary': {
        const B = boundary(scores, pairs, beta, { gradient: boundaryGradient }) // min better score − β, [pairs]
        return logOnePlusSumExp(behind(worse), combination([B, 2], [better, -1], [worse, -1])) // Eq. 8
      }
    }
  }
}
