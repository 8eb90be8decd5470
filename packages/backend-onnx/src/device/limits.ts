import { elements, parameterShapes, type ModelConfig } from '@plumbline/transformer'
import type { RowLimits } from '../memory-plan'

const MIB = 2 ** 20
const FLOAT = Float32Array.BYTES_PER_ELEMENT

/** What every adapter's shaders can read of one tensor: the least `maxStorageBufferBindingSize` that WebGPU allows. */
const EVERY_ADAPTER = 128 * MIB
/** Kept activations and log-probs of a micro-batch, and what they take of a model too large for that, in bytes a parameter. */
const [KEPT, KEPT_PER_PARAMETER] = [1024 * MIB, 0.75]
/** A product of fewer rows leaves most of a GPU idle. */
const FEWEST_ROWS = 256
const MOST_ROWS = 8192

/** Bytes of the largest tensor that may be made on a device: what every adapter takes, or as much as the model's largest weight, which it must take. */
export function largestTensorBytes(config: ModelConfig): number {
  return Math.max(EVERY_ADAPTER, ...[...parameterShapes(config).values()].map((shape) => FLOAT * elements(shape)))
}

/**
 * Rows of a micro-batch on a device, where nobody says: `rowLimits` with what a GPU has. It idles while the host describes a micro-batch, so that
 * few large ones are faster; and it holds the log-probs of the whole vocabulary, which must fit one tensor. By the model alone.
 *
 * @param rowBytes what a row keeps beside its log-probs
 */
export function deviceRowLimits(config: ModelConfig, parameters: number, rowBytes: number, asked?: number): RowLimits {
  if (asked !== undefined) return { microBatch: asked, lone: asked }
  const row = rowBytes + FLOAT * config.vocabSize
  const kept = Math.floor(Math.max(KEPT, KEPT_PER_PARAMETER * parameters) / row)
  const headRows = Math.floor(largestTensorBytes(config) / (FLOAT * config.vocabSize))
  const rows = Math.max(FEWEST_ROWS, Math.min(MOST_ROWS, kept, headRows))
  return { microBatch: rows, lone: rows }
}
