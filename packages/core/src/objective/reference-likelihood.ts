import * as tf from '@tensorflow/tfjs-core'
import type { AlignmentLoss, GroupLabels, LossManifest, ScoredGroup } from '../seams/loss'
import type { ClosedForm, GroupNumbers, LossAndGradient } from './score'
import { pick } from './tensors'

/** The name by which a config chooses {@link ReferenceLikelihood}; no plugin may take it. */
export const REFERENCE_LIKELIHOOD = 'sft'

/**
 * L_VFT (AFT, arXiv:2309.02144, Eq. 1): the mean token negative log-likelihood of the reference chains of thought.
 *
 * Unit: sequence, i.e. the batch loss is the mean over references; a question without one counts for nothing.
 */
export class ReferenceLikelihood implements AlignmentLoss, ClosedForm {
  readonly manifest: LossManifest = {
    name: REFERENCE_LIKELIHOOD,
    feedback: 'either',
    trains: 'references',
    needsReference: false,
    unit: 'sequence',
    constraint: 'none',
    constraints: ['none'],
    paper: 'arXiv:2309.02144',
  }

  loss({ scores, reference }: ScoredGroup): tf.Scalar {
    return tf.neg(tf.sum<tf.Scalar>(pick(scores, indices(reference))))
  }

  lossAndGradient({ logProbs, lengths, reference }: GroupNumbers): LossAndGradient {
    let loss = 0
    for (const c of indices(reference)) loss -= logProbs[c]! / lengths[c]!
    return { loss, gradient: reference.map((is, c) => (is ? -1 / lengths[c]! : 0)) }
  }

  units({ reference }: GroupLabels): number {
    return indices(reference).length
  }

  needed({ reference }: GroupLabels): readonly boolean[] {
    return reference
  }
}

function indices(mask: readonly boolean[]): number[] {
  return mask.flatMap((is, c) => (is ? [c] : []))
}
