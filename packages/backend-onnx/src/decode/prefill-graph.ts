import {
  adaptedWeights,
  decoder,
  embedded,
  turned,
  type AdapterShape,
  type AttentionShape,
  type LayerAttend,
  type ModelConfig,
  type WeightLookup,
} from '@plumbline/transformer'
import { emit, type Emitted } from '../graph/emit'
import type { Graph, Value } from '../graph/graph'
import { OnnxOps } from '../graph/ops'
import { decodedLogits } from './logits'
import { weighted } from './masks'
import { tokenRows } from './token-rows'

/**
 * Prompts to keys, values and the logits of the first new token, as an ONNX model: B prompts, padded at their end to P tokens.
 * Causality keeps the padding out of everything that is read.
 *
 * Inputs: `x` [B·P, d] (on a GPU `ids` [B·P], whose embeddings are looked up there), `positions` [B·P, 1], the tables of `OnnxOps.rope`;
 * `causal` [P, P], `last_mask` [B, 1, 1, P] (see `maskInput`); `last` [B], the rows of the prompts' last tokens, `last_positions` [B, 1];
 * the shapes `key_shape` = B, P, kvHeads, headDim and
 * `query_shape` = B, P, kvHeads, rep, headDim.
 * Outputs: `logits` [B, vocabulary]; per layer `keys_l` [B, kvHeads, headDim, P] and `values_l` [B, kvHeads, P, headDim].
 */
export function prefillGraph(graph: Graph, config: ModelConfig, base: WeightLookup<Value>, adapter?: AdapterShape): Emitted {
  const { weights, lowRankOf } = adaptedWeights(base, adapter)
  const ops = new OnnxOps(graph, undefined, lowRankOf)
  const positions = graph.input('positions', 'int64')
  const last = graph.input('last', 'int64')
  const lastPositions = graph.input('last_positions', 'int64')
  const outputs: Record<string, Value> = {}
  const rows = tokenRows(graph, ops, config, weights)
  // Of the last layer's output only one row a prompt is read; the others need keys and values alone.
  const narrowLast = (all: Value) => graph.node('Gather', [all, last], { attributes: { axis: 0 } })
  const attendIn: LayerAttend<Value> = (layer, shape) => (q, k, v) => {
    const final = layer === config.layers - 1
    const keys = headed(graph, turned(ops, config, shape, k, positions, shape.kvHeads), 'key_shape', [0, 2, 3, 1])
    const values = headed(graph, v, 'key_shape', [0, 2, 1, 3])
    outputs[`keys_${layer}`] = keys
    outputs[`values_${layer}`] = values
    const queries = turned(ops, config, shape, q, final ? lastPositions : positions, shape.heads)
    const scaled = graph.node('Mul', [queries, graph.scalar(shape.scale)])
    return (final ? lastAttention : causalAttention)(graph, shape, scaled, keys, values)
  }
  const hidden = decoder(ops, config, weights, embedded(ops, config, weights, rows, positions), attendIn, { narrowLast })
  return emit({ logits: decodedLogits(graph, ops, config, weights, hidden), ...outputs })
}

function headed(graph: Graph, x: Value, shape: string, order: readonly number[]): Value {
  return graph.node('Transpose', [graph.node('Reshape', [x, graph.input(shape, 'int64')])], { attributes: { perm: order } })
}

/** q [B·P, heads·headDim], keys [B, kvHeads, headDim, P], values [B, kvHeads, P, headDim] → [B·P, heads·headDim] */
function causalAttention(graph: Graph, shape: AttentionShape, q: Value, keys: Value, values: Value): Value {
  const queries = headed(graph, q, 'query_shape', [0, 2, 3, 1, 4]) // [B, kvHeads, rep, P, headDim]
  const shared = (x: Value) => graph.node('Unsqueeze', [x, graph.ints(2)])
  const scores = graph.node('MatMul', [queries, shared(keys)], { label: 'causal_scores' })
  const probabilities = weighted(graph, shape, scores, 'causal')
  const attended = graph.node('MatMul', [probabilities, shared(values)], { label: 'causal_values' })
  const byRow = graph.node('Transpose', [attended], { attributes: { perm: [0, 3, 1, 2, 4] } })
  return graph.node('Reshape', [byRow, graph.ints(-1, shape.heads * shape.headDim)])
}

/** The same for the last token of each prompt: q and result [B, heads·headDim]. */
function lastAttention(graph: Graph, shape: AttentionShape, q: Value, keys: Value, values: Value): Value {
  const { heads, kvHeads, headDim } = shape
  const queries = graph.node('Reshape', [q, graph.ints(-1, kvHeads, heads / kvHeads, headDim)])
  const scores = graph.node('MatMul', [queries, keys], { label: 'last_scores' })
  const probabilities = weighted(graph, shape, scores, 'last_mask')
  const attended = graph.node('MatMul', [probabilities, values], { label: 'last_values' })
  return graph.node('Reshape', [attended, graph.ints(-1, heads * headDim)])
}
