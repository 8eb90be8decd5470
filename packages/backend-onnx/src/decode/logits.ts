import { headName, logitsOf, type ModelConfig, type Ops, type WeightLookup } from '@plumbline/transformer'
import type { Graph, Value } from '../graph/graph'
import { headPart, vocabularyChunks } from '../graph/head'
import { widened } from '../graph/widen'

/**
 * Words of a head of 16-bit numbers that are float32 at a time. A thread has more than 64 of them whatever the number of threads: with fewer
 * the runtime sums a product in other pieces, and logits would have other last bits than with a head that is float32 as a whole.
 */
export const HEAD_WORDS = 32_768

/** `logitsOf`, but for a head of 16-bit numbers, which is widened part by part. The parts are inputs of their own. [n, d] → [n, vocabulary] */
export function decodedLogits(graph: Graph, ops: Ops<Value>, config: ModelConfig, weights: WeightLookup<Value>, hidden: Value): Value {
  const head = weights(headName(config))
  if (head.dtype === 'float32') return logitsOf(ops, config, weights, hidden)
  const parts = vocabularyChunks(config.vocabSize, HEAD_WORDS).map((_, c) => {
    const part = widened(graph, graph.input(headPart(head.name, c), head.dtype), hidden)
    return graph.node('Gemm', [hidden, part], { attributes: { transB: 1 }, label: 'logits' })
  })
  const logits = parts.length === 1 ? parts[0]! : graph.node('Concat', parts, { attributes: { axis: 1 } })
  return config.logitsSoftcap === undefined ? logits : ops.softcap(logits, config.logitsSoftcap)
}
