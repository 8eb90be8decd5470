import { ELEMENT_TYPE } from './element-types'
import type { Graph, Value } from './graph'

/**
 * A weight that is fed with 16 bits a number, as float32: exact, and alive only around the product that reads it.
 *
 * A weight needs nothing that is computed, so the runtime might widen all of a model's weights before the first product. Its shape is
 * therefore made from that of `beside`, the product's other operand, by adding zero: it is widened once that operand is there.
 *
 * @param weight [out, in]; as it is where it is float32.
 * @param beside a matrix.
 */
export function widened(graph: Graph, weight: Value, beside: Value): Value {
  if (weight.dtype === 'float32') return weight
  const nothing = graph.node('Mul', [graph.node('Shape', [beside], { dtype: 'int64' }), graph.ints(0)])
  const own = graph.node('Shape', [weight], { dtype: 'int64' })
  return asFloat32(graph, graph.node('Reshape', [weight, graph.node('Add', [own, nothing])]))
}

/** Rows of a table, as float32. table [n, d], ids [m] → [m, d] */
export function gathered(graph: Graph, table: Value, ids: Value, label?: string): Value {
  const rows = graph.node('Gather', [table, ids], { attributes: { axis: 0 }, label })
  return rows.dtype === 'float32' ? rows : asFloat32(graph, rows)
}

/** The Node binding feeds no bfloat16, so the bits arrive as uint16; float16 goes the same way. */
function asFloat32(graph: Graph, bits: Value): Value {
  const numbers = graph.node('BitCast', [bits], { attributes: { to: ELEMENT_TYPE[bits.dtype] } })
  return graph.node('Cast', [numbers], { attributes: { to: ELEMENT_TYPE.float32 }, dtype: 'float32', label: 'widened' })
}
