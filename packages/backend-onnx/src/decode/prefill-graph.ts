import { decoderLayer, EMBEDDING, FINAL_NORM, headName, type Attend, type ModelConfig, type WeightLookup } from '@plumbline/transformer'
import { emit, type Emitted } from '../graph/emit'
import type { Graph, Value } from '../graph/graph'
import { InferenceOps } from './inference-ops'

/**
 * Prompts to keys, values and the logits of the first new token, as an ONNX model: B prompts, padded at their end to P tokens.
 * Causality keeps the padding out of everything that is read.
 *
 * Inputs: `x` [B·P, d] (on a GPU `ids` [B·P], whose embeddings are looked up there), `positions` [B·P, 1], `rope_cosine` and `rope_sine`, `causal` [P, P]; `last` [B], the rows of the prompts' last
 * tokens, `last_positions` [B, 1], `last_mask` [B, 1, 1, P]; the shapes `key_shape` = B, P, kvHeads, headDim and
 * `query_shape` = B, P, kvHeads, rep, headDim.
 * Outputs: `logits` [B, vocabulary]; per layer `keys_l` [B, kvHeads, headDim, P] and `values_l` [B, kvHeads, P, headDim].
 */
export function prefillGraph(graph: Graph, config: ModelConfig, weights: WeightLookup<Value>): Emitted {
  const ops = new InferenceOps(graph)
  const { headDim } = config
  const positions = graph.input('positions', 'int64')
  const last = graph.input('last', 'int64')
  const lastPositions = graph.input('last_positions', 'int64')
  const lastRows = (rows: Value) => graph.node('Gather', [rows, last], { attributes: { axis: 0 } })
  const outputs: Record<string, Value> = {}
  let x = graph.device === 'cpu' ? graph.input('x') : ops.embedding(weights(EMBEDDING), graph.input('ids', 'int32'))
  for (let layer = 0; layer < config.layers; layer++) {
    // Of the last layer's output only one row a prompt is read; the others need keys and values alone.
    const final = layer === config.layers - 1
    const attend: Attend<Value> = (q, k, v) => {
      const keys = headed(graph, ops.rope(k, positions), 'key_shape', [0, 2, 3, 1])
      const values = headed(graph, v, 'key_shape', [0, 2, 1, 3])
      outputs[`keys_${layer}`] = keys
      outputs[`values_${layer}`] = values
      const queries = graph.node('Mul', [ops.rope(q, final ? lastPositions : positions), graph.scalar(1 / Math.sqrt(headDim))])
      return (final ? lastAttention : causalAttention)(graph, config, queries, keys, values)
    }
    x = decoderLayer(ops, config, weights, layer, x, attend, final ? lastRows : undefined)
  }
  const hidden = ops.rmsNorm(x, weights(FINAL_NORM), config.rmsNormEps)
  return emit({ logits: ops.linear(hidden, weights(headName(config))), ...outputs })
}

function headed(graph: Graph, x: Value, shape: string, order: readonly number[]): Value {
  return graph.node('Transpose', [graph.node('Reshape', [x, graph.input(shape, 'int64')])], { attributes: { perm: order } })
}

/** q [B·P, heads·headDim], keys [B, kvHeads, headDim, P], values [B, kvHeads, P, headDim] → [B·P, heads·headDim] */
function causalAttention(graph: Graph, config: ModelConfig, q: Value, keys: Value, values: Value): Value {
  const queries = headed(graph, q, 'query_shape', [0, 2, 3, 1, 4]) // [B, kvHeads, rep, P, headDim]
  const shared = (x: Value) => graph.node('Unsqueeze', [x, graph.ints(2)])
  const scores = graph.node('MatMul', [queries, shared(keys)], { label: 'causal_scores' })
  const masked = graph.node('Add', [scores, graph.input('causal')])
  const probabilities = graph.node('Softmax', [masked], { attributes: { axis: -1 } })
  const attended = graph.node('MatMul', [probabilities, shared(values)], { label: 'causal_values' })
  const byRow = graph.node('Transpose', [attended], { attributes: { perm: [0, 3, 1, 2, 4] } })
  return graph.node('Reshape', [byRow, graph.ints(-1, config.heads * config.headDim)])
}

/** The same for the last token of each prompt: q and result [B, heads·headDim]. */
function lastAttention(graph: Graph, config: ModelConfig, q: Value, keys: Value, values: Value): Value {
  const { heads, kvHeads, headDim } = config
  const queries = graph.node('Reshape', [q, graph.ints(-1, kvHeads, heads / kvHeads, headDim)])
  const scores = graph.node('MatMul', [queries, keys], { label: 'last_scores' })
  const masked = graph.node('Add', [scores, graph.input('last_mask')])
  const probabilities = graph.node('Softmax', [masked], { attributes: { axis: -1 } })
  const attended = graph.node('MatMul', [probabilities, values], { label: 'last_values' })
  return graph.node('Reshape', [attended, graph.ints(-1, heads * headDim)])
}
