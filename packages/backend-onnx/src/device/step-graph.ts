import {
  adaptedWeights,
  decoder,
  embedded,
  embeddingName,
  logitsOf,
  turned,
  type AdapterShape,
  type AttentionShape,
  type LayerAttend,
  type ModelConfig,
} from '@plumbline/transformer'
import { weighted } from '../decode/masks'
import { fedWeights } from '../decode/weights'
import { emit, type Emitted } from '../graph/emit'
import { Graph, type Value } from '../graph/graph'
import { OnnxOps } from '../graph/ops'

/**
 * One decoding step on a GPU: a token for each of G prompts × C cells, each attending to its prompt and to its own tokens. All cells
 * have as many tokens of their own, so that the new one stands at the same place in every cell's cache; the cache comes out as a
 * new tensor, since a GPU must not write what it reads.
 *
 * Inputs: `ids` [G·C], `positions` [G·C, 1], the tables of `OnnxOps.rope`, `mask` [G, 1, 1, 1, P + T] (see `maskInput`), `slots` = 0 … T − 1 [T], `slot` [1] (where
 * the new token goes), `parts` = P, T; the shapes `cell_shape` = G, C, kvHeads, headDim, `query_shape` = G, C, kvHeads, rep, headDim,
 * `prompt_rows` = G, kvHeads, C · rep, −1, `own_rows` = N, rep, −1, `prompt_part` = G, kvHeads, C, rep, P, `own_part` = G, kvHeads, C,
 * rep, T and `attended` = G, kvHeads, C, rep, headDim; per layer `prompt_keys_l` [G, kvHeads, headDim, P], `prompt_values_l` [G, kvHeads, P, headDim], `own_keys_l` [N, headDim, T] and `own_values_l`
 * [N, T, headDim] with N = G · kvHeads · C.
 * Outputs: `logits` [G·C, vocabulary], `new_keys_l` and `new_values_l`.
 */
export function deviceStepGraph(config: ModelConfig, adapter?: AdapterShape): Emitted {
  const graph = new Graph('webgpu')
  const { weights, lowRankOf } = adaptedWeights(fedWeights(graph), adapter)
  const ops = new OnnxOps(graph, undefined, lowRankOf)
  const { headDim } = config
  const positions = graph.input('positions', 'int64')
  const outputs: Record<string, Value> = {}
  const rows = ops.embedding(weights(embeddingName(config)), graph.input('ids', 'int32'))
  const attendIn: LayerAttend<Value> = (layer, shape) => (q, k, v) => {
    const keys = written(graph, layer, 'keys', turned(ops, config, shape, k, positions, shape.kvHeads), [-1, headDim, 1])
    const values = written(graph, layer, 'values', v, [-1, 1, headDim])
    outputs[`new_keys_${layer}`] = keys
    outputs[`new_values_${layer}`] = values
    return attention(graph, layer, shape, turned(ops, config, shape, q, positions, shape.heads), keys, values)
  }
  const hidden = decoder(ops, config, weights, embedded(ops, config, weights, rows, positions), attendIn)
  return emit({ logits: logitsOf(ops, config, weights, hidden), ...outputs })
}

/** The cache with x [G·C, kvHeads · headDim] in place of its entry at `slot`; entries are shaped [N, …] and repeat along the slots. */
function written(graph: Graph, layer: number, part: 'keys' | 'values', x: Value, entry: readonly number[]): Value {
  const byHead = graph.node('Transpose', [reshape(graph, x, 'cell_shape')], { attributes: { perm: [0, 2, 1, 3] } })
  const entries = graph.node('Reshape', [byHead, graph.ints(...entry)])
  const isSlot = graph.node('Equal', [graph.input('slots', 'int32'), graph.input('slot', 'int32')], { dtype: 'bool' })
  const along = part === 'keys' ? isSlot : graph.node('Reshape', [isSlot, graph.ints(-1, 1)])
  return graph.node('Where', [along, entries, graph.input(`own_${part}_${layer}`)], { dtype: 'float32', label: `new_${part}` })
}

function attention(graph: Graph, layer: number, shape: AttentionShape, q: Value, keys: Value, values: Value): Value {
  const { heads, kvHeads, headDim } = shape
  const rep = heads / kvHeads
  const scaled = graph.node('Mul', [q, graph.scalar(shape.scale)])
  const queries = graph.node('Transpose', [reshape(graph, scaled, 'query_shape')], { attributes: { perm: [0, 2, 1, 3, 4] } })
  const own = (x: Value) => graph.node('Reshape', [x, graph.ints(-1, rep, headDim)])
  const matMul = (a: Value, b: Value, label: string) => graph.node('MatMul', [a, b], { label })

  const withPrompt = matMul(reshape(graph, queries, 'prompt_rows'), graph.input(`prompt_keys_${layer}`), 'prompt_scores')
  const withOwn = matMul(own(queries), keys, 'own_scores')
  const scores = graph.node('Concat', [reshape(graph, withPrompt, 'prompt_part'), reshape(graph, withOwn, 'own_part')], {
    attributes: { axis: -1 },
  })
  const probabilities = weighted(graph, shape, scores, 'mask')
  const [ofPrompt, ofOwn] = graph.nodes('Split', [probabilities, graph.input('parts', 'int64')], 2, { attributes: { axis: -1 } })

  const fromPrompt = matMul(reshape(graph, ofPrompt!, 'prompt_rows'), graph.input(`prompt_values_${layer}`), 'prompt_values')
  const fromOwn = matMul(reshape(graph, ofOwn!, 'own_rows'), values, 'own_values')
  const sum = graph.node('Add', [own(fromPrompt), fromOwn])
  const byCell = graph.node('Transpose', [reshape(graph, sum, 'attended')], { attributes: { perm: [0, 2, 1, 3, 4] } })
  return graph.node('Reshape', [byCell, graph.ints(-1, heads * headDim)])
}

function reshape(graph: Graph, x: Value, shape: string): Value {
  return graph.node('Reshape', [x, graph.input(shape, 'int64')])
}

/**
 * Caches of other cells and prompts, with more slots: `rows` of the N cells by heads, `prompts` of the prompts, and the padding of the
 * slots at their end, `key_padding` and `value_padding` = 0 … 0 and the additional slots.
 */
export function relayoutGraph(layers: number): Emitted {
  const graph = new Graph('webgpu')
  const outputs: Record<string, Value> = {}
  const gather = (x: Value, index: string) => graph.node('Gather', [x, graph.input(index, 'int32')], { attributes: { axis: 0 } })
  for (let layer = 0; layer < layers; layer++) {
    for (const part of ['keys', 'values'] as const) {
      const own = gather(graph.input(`own_${part}_${layer}`), 'rows')
      outputs[`new_own_${part}_${layer}`] = graph.node('Pad', [own, graph.input(`${part}_padding`, 'int64')])
      outputs[`new_prompt_${part}_${layer}`] = gather(graph.input(`prompt_${part}_${layer}`), 'prompts')
    }
  }
  return emit(outputs)
}
