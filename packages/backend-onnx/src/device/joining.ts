import type { Graph, Value } from '../graph/graph'

/** Tensors that one node joins or separates: a shader binds no more than eight buffers everywhere. */
const JOINED = 7

/** Tensors one below the other. */
export function joined(graph: Graph, tensors: readonly Value[]): Value {
  if (tensors.length === 1) return tensors[0]!
  const parts = pieces(tensors, JOINED).map((part) =>
    part.length === 1 ? part[0]! : graph.node('Concat', part, { attributes: { axis: 0 } }),
  )
  return joined(graph, parts)
}

/** The reverse of `joined`. @param rows of each tensor */
export function separated(graph: Graph, tensor: Value, rows: readonly number[]): Value[] {
  if (rows.length === 1) return [tensor]
  // As many to each part as the parts' own nodes can take.
  let each = 1
  while (Math.ceil(rows.length / each) > JOINED) each *= JOINED
  const parts = pieces(rows, each)
  const sizes = graph.ints(...parts.map((part) => part.reduce((sum, count) => sum + count, 0)))
  const values = graph.nodes('Split', [tensor, sizes], parts.length, { attributes: { axis: 0 } })
  return values.flatMap((value, i) => separated(graph, value, parts[i]!))
}

function pieces<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
}
