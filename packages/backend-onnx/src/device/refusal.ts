import { PlumbError } from '@plumbline/core/base'
import type { OnnxOptions } from '../options'

/**
 * Why a GPU is not given a model with these options; undefined where it is.
 * PLUMB_CHECKPOINTING_UNSUPPORTED, PLUMB_PREPACKING_UNSUPPORTED
 */
export function gpuRefusal({ activationCheckpointing, prepackedWeights }: OnnxOptions): PlumbError | undefined {
  if (activationCheckpointing === 'layers') {
    const message =
      'The onnx backend computes the model in one piece on a GPU; expected activationCheckpointing: auto or none, or device: cpu.'
    return new PlumbError('PLUMB_CHECKPOINTING_UNSUPPORTED', message, 'backend.activationCheckpointing')
  }
  if (prepackedWeights === true) {
    const message = 'The onnx backend packs no weights on a GPU; expected no prepackedWeights, or device: cpu.'
    return new PlumbError('PLUMB_PREPACKING_UNSUPPORTED', message, 'backend.prepackedWeights')
  }
  return undefined
}
