import type { AttentionShape } from '@plumbline/transformer'
import type { Graph, Value } from '../graph/graph'
import { softcap } from '../graph/ops'

/** The graph input with the mask of the layers that have this window. */
export function maskInput(name: string, window: number | undefined): string {
  return window === undefined ? name : `${name}_${window}`
}

/** Scores to the weights of the values, under the mask of this name. */
export function weighted(graph: Graph, { softcap: cap, window }: AttentionShape, scores: Value, mask: string): Value {
  const capped = cap === undefined ? scores : softcap(graph, scores, cap).y
  const masked = graph.node('Add', [capped, graph.input(maskInput(mask, window))])
  return graph.node('Softmax', [masked], { attributes: { axis: -1 } })
}
