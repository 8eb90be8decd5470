import {
  adaptedWeights,
  decoder,
  embedded,
  turned,
  type AdapterShape,
  type LayerAttend,
  type ModelConfig,
  type WeightLookup,
} from '@plumbline/transformer'
import { emit, type Emitted } from '../graph/emit'
import type { Graph, Value } from '../graph/graph'
import { OnnxOps } from '../graph/ops'
import { decodedLogits } from './logits'
import { RowCache } from './row-cache'
import { tokenRows } from './token-rows'
import { WaveCache } from './wave-cache'

/**
 * One decoding step as an ONNX model: a token for each of some rows, each attending to its prompt and to its own tokens. All sizes but the
 * model's own are open.
 *
 * Inputs: `x` [rows, d] (on a GPU `ids` [rows]), `positions` [rows, 1], the tables of `OnnxOps.rope`, and those of the cache, which the
 * devices lay out differently: see `RowCache` and `WaveCache`.
 * Outputs: `logits` [rows, vocabulary], and the cache's.
 */
export function stepGraph(graph: Graph, config: ModelConfig, base: WeightLookup<Value>, adapter?: AdapterShape): Emitted {
  return emit({ ...stepValues(graph, config, base, adapter) })
}

/** The outputs of `stepGraph`, for a graph that goes on from them. */
export function stepValues(
  graph: Graph,
  config: ModelConfig,
  base: WeightLookup<Value>,
  adapter?: AdapterShape,
): { readonly logits: Value; readonly [cache: string]: Value } {
  const { weights, lowRankOf } = adaptedWeights(base, adapter)
  const ops = new OnnxOps(graph, undefined, lowRankOf)
  const cache = graph.device === 'cpu' ? new RowCache(graph) : new WaveCache(graph)
  const positions = graph.input('positions', 'int64')
  const attendIn: LayerAttend<Value> = (layer, shape) => (q, k, v) => {
    const key = turned(ops, config, shape, k, positions, shape.kvHeads)
    const queries = turned(ops, config, shape, q, positions, shape.heads)
    return cache.attend(layer, shape, graph.node('Mul', [queries, graph.scalar(shape.scale)]), key, v)
  }
  const rows = tokenRows(graph, ops, config, weights)
  const hidden = decoder(ops, config, weights, embedded(ops, config, weights, rows, positions), attendIn)
  const logits = decodedLogits(graph, ops, config, weights, hidden)
  return { logits, ...cache.outputs() }
}
