import type { Graph, Value } from '../graph/graph'
import type { HostTensor } from '../runtime/session'
import type { WeightLookup } from '@plumbline/transformer'

/** The weights of a model by their Hugging Face names, as the engine holds them. */
export type HostWeights = ReadonlyMap<string, HostTensor>

/**
 * Up to here the decoding graph holds the weights: the runtime packs them for its matrix products once instead of in every step. That is
 * worth a third of the speed with 6 rows and 15 % with 48, but takes 1.7 times the weights' memory again (27.8M parameters).
 */
const LARGEST_STORED = 32 * 2 ** 20

/** Decided by the model alone: packed or not, products differ in their last bits, and a completion must not depend on what else is asked for. */
export function storable(weights: HostWeights): boolean {
  let bytes = 0
  for (const { data } of weights.values()) bytes += data.byteLength
  return bytes <= LARGEST_STORED
}

/** Weights as constants of the model. */
export function storedWeights(graph: Graph, weights: HostWeights): WeightLookup<Value> {
  const values = new Map<string, Value>()
  return (name) => {
    const known = values.get(name)
    if (known) return known
    const { data, dims } = weights.get(name)!
    const value = graph.constant(data as Float32Array, dims)
    values.set(name, value)
    return value
  }
}

/** Weights fed in every run, from the arrays that the engine trains: no copy. */
export function fedWeights(graph: Graph): WeightLookup<Value> {
  return (name) => graph.input(name)
}
