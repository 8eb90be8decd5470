import { boundary, combination, CONSTRAINTS, constraintOptions, detach } from '@plumbline/core'
import type { AlignmentLoss, LossManifest, ScoredGroup } from '@plumbline/core'
import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'

export const rrhfOptions = z.strictObject({
  ...constraintOptions('none'),
  /** What a candidate's log-probability is divided by: its own length (the paper), or the padded one (the public code). */
  lengthNormalization: z.enum(['paper', 'reference-code']).default('paper'),
})

export type RrhfOptions = z.output<typeof rrhfOptions>

/**
 * RRHF (arXiv:2304.05302): rank candidates by their length-normalised log-probability as their rewards rank them, with a hinge
 * on every pair that stands the wrong way round.
 *
 * Shapes: scores [k]. Unit: nats per token.
 */
export class Rrhf implements AlignmentLoss {
  readonly manifest: LossManifest
  private readonly options: RrhfOptions

  constructor(options: z.input<typeof rrhfOptions> = {}) {
    this.options = rrhfOptions.parse(options)
    const { constraint, beta } = this.options
    this.manifest = {
      name: 'rrhf',
      feedback: 'either',
      needsReference: false,
      unit: 'question',
      constraint,
      beta,
      constraints: CONSTRAINTS,
      paper: 'arXiv:2304.05302',
    }
  }

  loss(group: ScoredGroup): tf.Scalar {
    const { constraint, beta, boundaryGradient } = this.options
    const { pairs } = group
    const scores = this.scores(group) // p_i, Eq. 1
    const better = pairs.better(scores) // [pairs]
    const worse = pairs.worse(scores) //  [pairs]
    switch (constraint) {
      case 'none':
        return tf.relu(worse.sub(better)).sum() // Eq. 2
      case 'detached':
        return tf.relu(detach(worse).sub(better)).sum()
      case 'boundary': {
        const B = boundary(scores, pairs, beta, { gradient: boundaryGradient }) // min better score − β, [pairs]
        return tf
          .relu(worse.sub(better))
          .add(tf.relu(B.sub(worse)))
          .sum()
      }
    }
  }

  /**
   * The public code overwrites its padding labels in place before it counts them, so every candidate is divided by the length of
   * the longest row. The hinge is homogeneous: a prompt in that length, which this loss does not see, would only scale it.
   */
  private scores({ scores, logProbs, lengths }: ScoredGroup): tf.Tensor1D {
    return this.options.lengthNormalization === 'paper' ? scores : combination([logProbs, 1 / Math.max(...lengths)])
  }
}
