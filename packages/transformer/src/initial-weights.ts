import { randomStreams } from '@plumbline/core/base'
import type { ModelConfig } from './model-config'
import { elements, parameterList } from './parameters'
import type { WeightTensor, Weights } from './safetensors'

export interface InitialWeightsOptions {
  /**
   * Divide the standard deviation of the projections that add to the residual stream (Llama's `o_proj`, `down_proj`) by √(2·layers), so
   * that the stream's variance does not grow with depth (GPT-2, section 2.3; nanoGPT and transformers' GPT-2 do so,
   * transformers' Llama does not). Default true.
   */
  readonly scaleResidual?: boolean
}

/**
 * Random weights of an architecture: normal(0, `initializer_range`) for every matrix; norms change nothing, biases are zero.
 *
 * Each tensor draws from its own stream keyed by (seed, tensor name). Only `Math.log` and `Math.sqrt` are applied, which V8
 * computes alike on every platform, so the same seed gives the same bits everywhere.
 */
export function initialWeights(config: ModelConfig, seed: number, { scaleResidual = true }: InitialWeightsOptions = {}): Weights {
  const streams = randomStreams(seed)
  const weights = new Map<string, WeightTensor>()
  for (const { name, shape, initial } of parameterList(config)) {
    const data = new Float32Array(elements(shape))
    if (typeof initial === 'number') data.fill(initial)
    else {
      const divided = scaleResidual && initial === 'residual'
      const deviation = divided ? config.initializerRange / Math.sqrt(2 * config.layers) : config.initializerRange
      fillNormal(data, deviation, streams('initial-weights', name))
    }
    weights.set(name, { shape, data })
  }
  return weights
}

/** Marsaglia's polar method: pairs of independent normals from points of the unit disc. */
function fillNormal(data: Float32Array, deviation: number, uniform: () => number): void {
  for (let i = 0; i < data.length; i += 2) {
    let x: number, y: number, square: number
    do {
      x = 2 * uniform() - 1
      y = 2 * uniform() - 1
      square = x * x + y * y
    } while (square >= 1 || square === 0)
    const factor = deviation * Math.sqrt((-2 * Math.log(square)) / square)
    data[i] = x * factor
    // Past the end for an odd length, where a typed array ignores the write.
    data[i + 1] = y * factor
  }
}
