import { PlumbError } from '@plumbline/core/base'
import { parameterCount, type ModelConfig } from '@plumbline/transformer'
import { gib } from './memory-plan'

/** A model's file in the runtime's format, a protocol buffer: 2 GiB at most, with the graph's nodes. */
const MOST_PACKABLE = 2 ** 31 - 2 ** 26

/** @throws PlumbError PLUMB_PREPACKING_UNSUPPORTED for a model that the runtime does not take in one piece. */
export function requirePackable(asked: boolean | undefined, config: ModelConfig): void {
  const bytes = Float32Array.BYTES_PER_ELEMENT * parameterCount(config)
  if (asked !== true || bytes <= MOST_PACKABLE) return
  const message = `${parameterCount(config)} parameters are ${gib(bytes)} GiB in float32; expected at most ${gib(MOST_PACKABLE)} GiB to pack, or no prepackedWeights.`
  throw new PlumbError('PLUMB_PREPACKING_UNSUPPORTED', message, 'backend.prepackedWeights')
}
