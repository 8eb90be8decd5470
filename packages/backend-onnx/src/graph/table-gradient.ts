import type { TableRows } from './batch-inputs'
import type { Graph, Value } from './graph'

/**
 * Adds the cotangents of embedded rows to the gradient of their table, on a GPU. rows [n, d], sum [ids, d] → [ids, d].
 *
 * Rows of the same token, or position, are summed by a 0/1 product first: scattering them as they are would add in any order, and the CPU's
 * ScatterND even loses some (microsoft/onnxruntime#18048). What is scattered has every id once.
 */
export function tableGradient(graph: Graph, { ofRow, numbers, distinct }: TableRows, rows: Value, sum: Value): Value {
  const isToken = graph.node('Equal', [numbers, ofRow], { dtype: 'bool' })
  const assignment = graph.node('Where', [isToken, graph.scalar(1), graph.scalar(0)], { dtype: 'float32' })
  const perToken = graph.node('MatMul', [assignment, rows], { label: 'token_sums' })
  return graph.node('ScatterND', [sum, distinct, perToken], { attributes: { reduction: 'add' }, label: 'embedding_gradient' })
}
