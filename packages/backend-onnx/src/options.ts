import type { OpenOptions } from '@plumbline/core/base'
import type { ActivationCheckpointing } from './memory-plan'
import type { FrozenWeights } from './worker/model'

export interface OnnxOptions extends OpenOptions {
  /** Engines that share the work, each with the whole model and its part of the threads; as many as pay when absent. */
  readonly engines?: number
  /** Whether the model is computed one layer after the other: what would not fit in one piece when absent. */
  readonly activationCheckpointing?: ActivationCheckpointing
  /** How weights that nothing trains are held; as their files hold them where the device can, when absent. */
  readonly frozenWeights?: FrozenWeights
  /** Whether sampling holds a second copy of the weights, packed for its products; where they are small, when absent. */
  readonly prepackedWeights?: boolean
}

/** More threads than any machine's cores gain nothing, and each takes memory of its own. */
export const MOST_THREADS = 256
