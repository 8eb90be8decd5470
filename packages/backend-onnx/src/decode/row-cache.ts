import type { AttentionShape } from '@plumbline/transformer'
import type { Graph, Value } from '../graph/graph'
import { attendParts, type StepCache } from './step-cache'

/**
 * The cache of the CPU's decoding step: each of S rows attends to its prompt, to its own earlier tokens, and to itself.
 *
 * A prompt's keys are stored once for all of its candidates. Rows are gathered into cells, C for each of G prompts, so that one
 * product per prompt and key head serves all candidates; everything else works on rows. Query heads that share keys
 * (rep = heads / kvHeads) are rows of the same product.
 *
 * Inputs: `mask` [S·kvHeads, 1, P + T + 1] (see `maskInput`), `parts` = P, T, 1; `cells` [G·kvHeads·C] (which of the S·kvHeads rows),
 * `rows` [S·kvHeads] (which cell), `cells_by_prompt` = G·kvHeads, C·rep, −1 and `cells_apart` = G·kvHeads·C, rep, −1;
 * per layer `prompt_keys_l` [G·kvHeads, headDim, P], `prompt_values_l` [G·kvHeads, P, headDim], `own_keys_l` and
 * `own_values_l` [S·kvHeads, 1, T, headDim].
 * Output: `entries` [S, layers · 2 · kvHeads · headDim]: the new keys and values, k₀ v₀ k₁ v₁ …, which the host writes to their place.
 */
export class RowCache implements StepCache {
  private readonly entries: Value[] = []

  constructor(private readonly graph: Graph) {}

  attend(layer: number, shape: AttentionShape, q: Value, k: Value, v: Value): Value {
    this.entries.push(k, v)
    const { graph } = this
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

    const queries = reshape(q, graph.ints(-1, rep, headDim))
    const key = reshape(k, graph.ints(-1, 1, headDim))
    const value = reshape(v, graph.ints(-1, 1, headDim))
    const attended = attendParts(graph, shape, [
      {
        scores: withPrompts(queries, graph.input(`prompt_keys_${layer}`), 'prompt_scores'),
        attended: (weights) => withPrompts(weights, graph.input(`prompt_values_${layer}`), 'prompt_values'),
      },
      {
        scores: withOwn(queries, `own_keys_${layer}`, true),
        attended: (weights) => withOwn(weights, `own_values_${layer}`, false),
      },
      {
        scores: graph.node('ReduceSum', [graph.node('Mul', [queries, key]), graph.ints(-1)], { attributes: { keepdims: 1 } }),
        attended: (weights) => graph.node('Mul', [weights, value]),
      },
    ])
    return reshape(attended, graph.ints(-1, heads * headDim))
  }

  outputs(): Record<string, Value> {
    return { entries: this.graph.node('Concat', this.entries, { attributes: { axis: 1 } }) }
  }
}
