import { elements, headName, widen, type ModelConfig, type WeightLookup } from '@plumbline/transformer'
import { Graph, type Value } from '../graph/graph'
import type { HeldTensor, HeldWeights } from '../runtime/held-tensor'
import type { HostTensor } from '../runtime/session'
import { headParts } from '../training/head-feeds'
import { HEAD_WORDS } from './logits'

/**
 * Up to here, where nobody says otherwise (`prepackedWeights`), the decoding graph holds the weights: the runtime packs them for its matrix
 * products once instead of in every step. That is worth a third of the speed with few rows and 15 % with 48, but takes their memory again.
 */
const LARGEST_STORED = 32 * 2 ** 20

/**
 * Decided by the model alone: packed or not, products differ in their last bits, and a completion must not depend on what else is asked for,
 * nor on how the weights are held.
 */
export function storable(weights: HeldWeights): boolean {
  let numbers = 0
  for (const { data } of weights.values()) numbers += data.length
  return isSmallEnoughToStore(numbers)
}

export function isSmallEnoughToStore(numbers: number): boolean {
  return Float32Array.BYTES_PER_ELEMENT * numbers <= LARGEST_STORED
}

/** A graph that can be fed these weights. */
export function graphFor(weights: HeldWeights): Graph {
  return new Graph('cpu', [...weights.values()].some(({ half }) => half !== undefined) ? 26 : 17)
}

/** Weights as constants of the model, float32. */
export function storedWeights(graph: Graph, weights: HeldWeights): WeightLookup<Value> {
  const values = new Map<string, Value>()
  return (name) => {
    const known = values.get(name)
    if (known) return known
    const tensor = weights.get(name)!
    const value = graph.constant(numbersOf(tensor), tensor.shape)
    values.set(name, value)
    return value
  }
}

function numbersOf({ shape, data, half }: HeldTensor): Float32Array {
  if (data instanceof Float32Array) return data
  const numbers = new Float32Array(elements(shape))
  widen(data, half!, numbers)
  return numbers
}

/** Weights fed in every run, from the arrays that the engine holds: no copy. @param weights those that are not float32 */
export function fedWeights(graph: Graph, weights: HeldWeights = new Map()): WeightLookup<Value> {
  return (name) => graph.input(name, weights.get(name)?.half ?? 'float32')
}

/** What a graph with `fedWeights` is fed. */
export function weightFeeds(config: ModelConfig, weights: HeldWeights): Record<string, HostTensor> {
  const feeds: Record<string, HostTensor> = {}
  for (const [name, { shape, data }] of weights) feeds[name] = { data, dims: shape }
  const head = weights.get(headName(config))!
  if (head.half) Object.assign(feeds, Object.fromEntries(headParts(config, { data: head.data, dims: head.shape }, HEAD_WORDS)))
  return feeds
}
