import { embeddingName, type ModelConfig, type WeightLookup } from '@plumbline/transformer'
import type { Graph, Value } from '../graph/graph'
import type { OnnxOps } from '../graph/ops'

/** The embedded tokens of a decoding graph: the host looks them up itself (`x`), a GPU is given their `ids`. [rows, d] */
export function tokenRows(graph: Graph, ops: OnnxOps, config: ModelConfig, weights: WeightLookup<Value>): Value {
  return graph.device === 'cpu' ? graph.input('x') : ops.embedding(weights(embeddingName(config)), graph.input('ids', 'int32'))
}
