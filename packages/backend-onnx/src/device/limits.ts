import { PlumbError } from '@plumbline/core/base'
import { elements, parameterShapes, type ModelConfig } from '@plumbline/transformer'
import type { RowLimits } from '../memory-plan'
import type { AttentionBlocks } from '../training/attention-blocks'

export const MIB = 2 ** 20
export const FLOAT = Float32Array.BYTES_PER_ELEMENT

/** What every adapter's shaders can read of one tensor: the least `maxStorageBufferBindingSize` that WebGPU allows. */
const EVERY_ADAPTER = 128 * MIB
/** Numbers of 4 bytes in a binding that no GPU exceeds: Vulkan's maxStorageBufferRange is a uint32. */
export const MOST_BOUND = 2 ** 30
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

/** @throws PlumbError PLUMB_BATCH_TOO_LARGE where attention's scores are one tensor that is too large for any GPU. */
export function requireBindable({ prompt, completion }: AttentionBlocks, heads: number): void {
  for (const { sequences, queries, keys } of [...prompt, ...completion.flat()]) {
    const numbers = sequences * heads * queries * keys
    if (numbers < MOST_BOUND) continue
    const message =
      `Attention of ${queries} tokens to ${keys}, in ${sequences} ${sequences === 1 ? 'sequence' : 'sequences'} and ${heads} heads, is one tensor of ` +
      `${((numbers / MOST_BOUND) * 4).toFixed(1)} GiB; a GPU reads less than 4 GiB at once. Expected a lower lengths.maxCompletionTokens or ` +
      'lengths.maxPromptTokens, a smaller backend.microBatchTokens where it is several sequences, or device: cpu, which computes long ones layer by layer.'
    throw new PlumbError('PLUMB_BATCH_TOO_LARGE', message)
  }
}
