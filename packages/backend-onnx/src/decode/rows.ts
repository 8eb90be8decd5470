import { parameterCount, type ModelConfig } from '@plumbline/transformer'

/** Room for the keys and values of the generated tokens. */
const CACHE_BYTES = 2 ** 30

/**
 * Many rows share one reading of the weights, and a small model needs more of them to hide what every operation costs; past that only
 * the cache grows.
 */
export function rowsFor(config: ModelConfig, maxNewTokens: number): number {
  const { layers, kvHeads, headDim } = config
  const bytesPerRow = maxNewTokens * layers * 2 * kvHeads * headDim * Float32Array.BYTES_PER_ELEMENT
  const fitting = Math.floor(CACHE_BYTES / bytesPerRow)
  return Math.min(parameterCount(config) > 5e6 ? 48 : 192, Math.max(8, fitting))
}
