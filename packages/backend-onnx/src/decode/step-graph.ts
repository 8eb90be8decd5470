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

/**
 * One decoding step as an ONNX model: a token for each of S rows, each attending to its prompt, to its own earlier tokens, and
 * to itself. All sizes but the model's own are open.
 *
 * A prompt's keys are stored once for all of its candidates. Rows are gathered into cells, C for each of G prompts, so that one
 * product per prompt and key head serves all candidates; everything else works on rows. Scores of the three parts are joined
 * before the softmax. Query heads that share keys (rep = heads / kvHeads) are rows of the same product.
 *
 * Inputs: `x` [S, d], `positions` [S, 1], the tables of `OnnxOps.rope`, `mask` [S·kvHeads, 1, P + T + 1] (see `maskInput`), `parts` = P, T, 1;
 * `cells` [G·kvHeads·C] (which of the S·kvHeads rows), `rows` [S·kvHeads] (which cell),
 * `cells_by_prompt` = G·kvHeads, C·rep, −1 and `cells_apart` = G·kvHeads·C, rep, −1;
 * per layer `prompt_keys_l` [G·kvHeads, headDim, P], `prompt_values_l` [G·kvHeads, P, headDim], `own_keys_l` and
 * `own_values_l` [S·kvHeads, 1, T, headDim].
 * Outputs: `logits` [S, vocabulary], `entries` [S, layers · 2 · kvHeads · headDim]: the new keys and values, k₀ v₀ k₁ v₁ ….
 */
export function stepGraph(graph: Graph, config: ModelConfig, base: WeightLookup<Value>, adapter?: AdapterShape): Emitted {
  const { weights, lowRankOf } = adaptedWeights(base, adapter)
  const ops = new OnnxOps(graph, undefined, lowRankOf)
  const positions = graph.input('positions', 'int64')
  const entries: Value[] = []
  const attendIn: LayerAttend<Value> = (layer, shape) => (q, k, v) => {
    const key = turned(ops, config, shape, k, positions, shape.kvHeads)
    entries.push(key, v)
    return cachedAttention(graph, layer, shape, turned(ops, config, shape, q, positions, shape.heads), key, v)
  }
  const hidden = decoder(ops, config, weights, embedded(ops, config, weights, graph.input('x'), positions), attendIn)
  const logits = decodedLogits(graph, ops, config, weights, hidden)
  return emit({ logits, entries: graph.node('Concat', entries, { attributes: { axis: 1 } }) })
}

function cachedAttention(graph: Graph, layer: number, shape: AttentionShape, q: Value, k: Value, v: Value): Value {
  const { heads, kvHeads, headDim } = shape
  const rep = heads / kvHeads
  const reshape = (x: Value, dims: Value) => graph.node('Reshape', [x, dims])
  const gather = (x: Value, index: Value) => graph.node('Gather', [x, index], { attributes: { axis: 0 } })
  const cells = graph.input('cells', 'int64')
  const rows = graph.input('rows', 'int64')
  const byPrompt = graph.input('cells_by_prompt', 'int64')
  const apart = graph.input('cells_apart', 'int64')
  /** A product with the prompts' tensors: rows [S·kvHeads, rep, n] → cells → rows [S·kvHeads, rep, m]. */
  const withPrompts = (x: Value, prompts: Value, label: string) =>
    gather(reshape(graph.node('MatMul', [reshape(gather(x, cells), byPrompt), prompts], { label }), apart), rows)

  /**
   * A product with each row's own tensor [S·kvHeads, 1, T, headDim]: rows [S·kvHeads, rep, n] → [S·kvHeads, rep, m]. The runtime
   * copies a matrix before it multiplies, but for a single row: query heads are products of their own.
   */
  const withOwn = (x: Value, name: string, transB: boolean) => {
    const single = graph.node('Unsqueeze', [x, graph.ints(2)])
    const product = graph.node('FusedMatMul', [single, graph.input(name)], {
      domain: 'com.microsoft',
      attributes: { transB: Number(transB) },
    })
    return graph.node('Squeeze', [product, graph.ints(2)])
  }

  const scaled = graph.node('Mul', [q, graph.scalar(shape.scale)])
  const queries = reshape(scaled, graph.ints(-1, rep, headDim))
  const key = reshape(k, graph.ints(-1, 1, headDim))
  const value = reshape(v, graph.ints(-1, 1, headDim))

  const promptScores = withPrompts(queries, graph.input(`prompt_keys_${layer}`), 'prompt_scores')
  const ownScores = withOwn(queries, `own_keys_${layer}`, true)
  const selfScore = graph.node('ReduceSum', [graph.node('Mul', [queries, key]), graph.ints(-1)], { attributes: { keepdims: 1 } })
  const scores = graph.node('Concat', [promptScores, ownScores, selfScore], { attributes: { axis: -1 } })
  const probabilities = weighted(graph, shape, scores, 'mask')
  const [ofPrompt, ofOwn, ofSelf] = graph.nodes('Split', [probabilities, graph.input('parts', 'int64')], 3, { attributes: { axis: -1 } })

  const fromPrompt = withPrompts(ofPrompt!, graph.input(`prompt_values_${layer}`), 'prompt_values')
  const fromOwn = withOwn(ofOwn!, `own_values_${layer}`, false)
  const fromSelf = graph.node('Mul', [ofSelf, value])
  const attended = graph.node('Add', [graph.node('Add', [fromPrompt, fromOwn]), fromSelf])
  return reshape(attended, graph.ints(-1, heads * headDim))
}
