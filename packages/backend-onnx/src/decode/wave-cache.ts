import type { AttentionShape } from '@plumbline/transformer'
import { emit, type Emitted } from '../graph/emit'
import { Graph, type Value } from '../graph/graph'
import { attendParts, type StepCache } from './step-cache'

/**
 * The cache of a GPU's decoding step: a token for each of G prompts × C cells, each attending to its prompt and to its own tokens. All
 * cells have as many tokens of their own, so that the new one stands at the same place in every cell's cache; the cache comes out
 * as a new tensor, since a GPU must not write what it reads.
 *
 * Inputs: `mask` [G, 1, 1, 1, P + T] (see `maskInput`), `slots` = 0 … T − 1 [T] and `slot` [1] (where the new token goes), both float32, `parts` = P, T; the
 * shapes `cell_shape` = G, C, kvHeads, headDim, `query_shape` = G, C, kvHeads, rep, headDim, `prompt_rows` = G, kvHeads, C · rep, −1,
 * `own_rows` = N, rep, −1, `prompt_part` = G, kvHeads, C, rep, P, `own_part` = G, kvHeads, C, rep, T and `attended` = G, kvHeads, C, rep,
 * headDim; per layer `prompt_keys_l` [G, kvHeads, headDim, P], `prompt_values_l` [G, kvHeads, P, headDim], `own_keys_l` [N, headDim, T]
 * and `own_values_l` [N, T, headDim] with N = G · kvHeads · C.
 * Outputs: `new_keys_l` and `new_values_l`.
 */
export class WaveCache implements StepCache {
  private readonly written: Record<string, Value> = {}
  /** Of every slot, whether the new token goes there. [T] */
  private readonly isSlot: Value

  constructor(private readonly graph: Graph) {
    this.isSlot = graph.node('Equal', [graph.input('slots'), graph.input('slot')], { dtype: 'bool' })
  }

  attend(layer: number, shape: AttentionShape, q: Value, k: Value, v: Value): Value {
    const { graph } = this
    const { heads, kvHeads, headDim } = shape
    const rep = heads / kvHeads
    const keys = (this.written[`new_keys_${layer}`] = this.write(layer, 'keys', k, [-1, headDim, 1]))
    const values = (this.written[`new_values_${layer}`] = this.write(layer, 'values', v, [-1, 1, headDim]))
    const queries = graph.node('Transpose', [this.reshape(q, 'query_shape')], { attributes: { perm: [0, 2, 1, 3, 4] } })
    const own = (x: Value) => graph.node('Reshape', [x, graph.ints(-1, rep, headDim)])
    const matMul = (a: Value, b: Value, label: string) => graph.node('MatMul', [a, b], { label })
    const withPrompt = (x: Value, part: string) =>
      matMul(this.reshape(x, 'prompt_rows'), graph.input(`prompt_${part}_${layer}`), `prompt_${part}`)
    const sum = attendParts(graph, shape, [
      {
        scores: this.reshape(withPrompt(queries, 'keys'), 'prompt_part'),
        attended: (weights) => own(withPrompt(weights, 'values')),
      },
      {
        scores: this.reshape(matMul(own(queries), keys, 'own_scores'), 'own_part'),
        attended: (weights) => matMul(this.reshape(weights, 'own_rows'), values, 'own_values'),
      },
    ])
    const byCell = graph.node('Transpose', [this.reshape(sum, 'attended')], { attributes: { perm: [0, 2, 1, 3, 4] } })
    return graph.node('Reshape', [byCell, graph.ints(-1, heads * headDim)])
  }

  outputs(): Record<string, Value> {
    return this.written
  }

  /** The cache with x [G·C, kvHeads · headDim] in place of its entry at `slot`; entries are shaped [N, …] and repeat along the slots. */
  private write(layer: number, part: 'keys' | 'values', x: Value, entry: readonly number[]): Value {
    const { graph } = this
    const byHead = graph.node('Transpose', [this.reshape(x, 'cell_shape')], { attributes: { perm: [0, 2, 1, 3] } })
    const entries = graph.node('Reshape', [byHead, graph.ints(...entry)])
    const along = part === 'keys' ? this.isSlot : graph.node('Reshape', [this.isSlot, graph.ints(-1, 1)])
    return graph.node('Where', [along, entries, graph.input(`own_${part}_${layer}`)], { dtype: 'float32', label: `new_${part}` })
  }

  private reshape(x: Value, shape: string): Value {
    return this.graph.node('Reshape', [x, this.graph.input(shape, 'int64')])
  }
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
