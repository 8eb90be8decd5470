import type { BatchInputs } from './batch-inputs'
import type { Graph, Value } from './graph'
import { softcap } from './ops'
import { gathered, widened } from './widen'

/** What the output head is made from. */
export interface HeadInputs {
  /** [tailRows, width] */
  readonly hidden: Value
  /** The whole table, [words, width]. */
  readonly head: Value
  /** The same rows by chunks of the vocabulary. */
  readonly weights: readonly Value[]
}

export interface ScoredLogProbs {
  /** [m] */
  readonly logProbs: Value
  /** Where logits are capped, the slope of the cap at each scored token. [m] */
  readonly slope?: Value
}

/** hidden headᵀ for some of its rows, capped where there is a cap, whose slope comes with it. [rows, words] */
export function headLogits(graph: Graph, hidden: Value, weight: Value, cap?: number): { readonly y: Value; readonly slope?: () => Value } {
  const product = graph.node('Gemm', [hidden, widened(graph, weight, hidden)], { attributes: { transB: 1 }, label: 'logits' })
  return cap === undefined ? { y: product } : softcap(graph, product, cap)
}

/** The same with a chunk's own log-probs, and the logarithm of each row's sum over it. [rows, words], [rows, 1] */
export function chunkLogProbs(graph: Graph, hidden: Value, weight: Value, cap?: number) {
  const logits = headLogits(graph, hidden, weight, cap).y
  const logProbs = graph.node('LogSoftmax', [logits], { attributes: { axis: -1 }, label: 'log_probs' })
  return { logits, logProbs, sum: () => graph.node('Sub', [firstColumn(graph, logits), firstColumn(graph, logProbs)]) }
}

export interface RowCotangents {
  /** One per completion row: that of the token it predicts. [completionRows, 1] */
  readonly completion: Value
  /** One per completion: that of its first token, which the last prompt row predicts. [completions, 1] */
  readonly first: Value
  /** Σ over the tokens that a tail row predicts. [tailRows, 1] */
  readonly sums: Value
}

export function rowCotangents(graph: Graph, batch: BatchInputs, g: Value): RowCotangents {
  // One zero more than tokens: the row that predicts nothing (see `packGroups`) points to it.
  const padded = graph.node('Reshape', [graph.node('Pad', [g, graph.ints(0, 1)]), graph.ints(-1, 1)])
  const pick = (index: Value) => graph.node('Gather', [padded, index], { attributes: { axis: 0 } })
  const [completion, first] = [pick(batch.completionScored), pick(batch.firstScored)]
  const groups = graph.node('Gemm', [batch.firstGroups, first], { attributes: { transA: 1 } })
  return { completion, first, sums: graph.node('Concat', [groups, completion], { attributes: { axis: 0 } }) }
}

/** Σ over the tokens that a tail row predicts, of g · head[token]. [tailRows, width] */
export function oneHot(graph: Graph, batch: BatchInputs, head: Value, { completion, first }: RowCotangents): Value {
  const rows = (ids: Value, g: Value) => graph.node('Mul', [gathered(graph, head, ids), g])
  const groups = graph.node('Gemm', [batch.firstGroups, rows(batch.firstIds, first)], { attributes: { transA: 1 } })
  return graph.node('Concat', [groups, rows(batch.completionIds, completion)], { attributes: { axis: 0 } })
}

export const firstColumn = (graph: Graph, x: Value) => column(graph, x, 0)

export function column(graph: Graph, x: Value, index: number): Value {
  return graph.node('Slice', [x, graph.ints(index), graph.ints(index + 1), graph.ints(1)])
}

/** Slope of a cap where it has given x: 1 − (x / cap)². */
export function capSlope(graph: Graph, x: Value, cap: number): Value {
  const part = graph.node('Mul', [x, graph.scalar(1 / cap)])
  return graph.node('Sub', [graph.scalar(1), graph.node('Mul', [part, part])])
}
