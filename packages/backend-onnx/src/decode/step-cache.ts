import type { AttentionShape } from '@plumbline/transformer'
import type { Graph, Value } from '../graph/graph'
import { weighted } from './masks'

/** Where a decoding step finds the keys and values of earlier tokens, and leaves those of its own. */
export interface StepCache {
  /**
   * Attention of the step's tokens to what they see, themselves included.
   * @param q scaled queries, turned as their positions want it. [rows, heads · headDim]
   * @param k the keys of the step's tokens, turned. [rows, kvHeads · headDim]
   * @param v alike
   * @returns [rows, heads · headDim]
   */
  attend(layer: number, shape: AttentionShape, q: Value, k: Value, v: Value): Value
  /** What carries the new keys and values out of the graph, after all layers. */
  outputs(): Record<string, Value>
}

/** Keys and values of some of the tokens that a query sees. */
export interface CachedPart {
  /** […, keys] */
  readonly scores: Value
  /** The products of their weights with the values. */
  attended(weights: Value): Value
}

/** Attention to keys that stand in several tensors: one softmax under the input `mask` over the scores of all, whose widths are the input `parts`. */
export function attendParts(graph: Graph, shape: AttentionShape, cached: readonly CachedPart[]): Value {
  const scores = graph.node(
    'Concat',
    cached.map((part) => part.scores),
    { attributes: { axis: -1 } },
  )
  const probabilities = weighted(graph, shape, scores, 'mask')
  const weights = graph.nodes('Split', [probabilities, graph.input('parts', 'int64')], cached.length, { attributes: { axis: -1 } })
  const attended = cached.map((part, i) => part.attended(weights[i]!))
  return attended.reduce((sum, part) => graph.node('Add', [sum, part]))
}
