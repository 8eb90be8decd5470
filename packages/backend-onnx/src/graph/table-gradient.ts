import type { BatchInputs } from './batch-inputs'
import type { Graph, Value } from './graph'

/**
 * Adds the cotangents of embedded rows to the gradient of their table, on a GPU. rows [n, d], sum [vocabulary, d] → [vocabulary, d].
 *
 * Rows of the same token are summed by a 0/1 product first: scattering them as they are would add in any order, and the CPU's
 * ScatterND even loses some (microsoft/onnxruntime#18048). What is scattered has every token once.
 */
export function tableGradient(graph: Graph, batch: BatchInputs, rows: Value, sum: Value): Value {
  const isToken = graph.node('Equal', [batch.tokenNumbers, batch.tokenOfRow], { dtype: 'bool' })
  const assignment = graph.node('Where', [isToken, graph.scalar(1), graph.scalar(0)], { dtype: 'float32' })
  const perToken = graph.node('MatMul', [assignment, rows], { label: 'token_sums' })
  return graph.node('ScatterND', [sum, batch.distinctTokens, perToken], { attributes: { reduction: 'add' }, label: 'embedding_gradient' })
}
