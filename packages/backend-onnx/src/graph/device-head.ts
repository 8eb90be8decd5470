import type { Tape } from './autodiff'
import type { BatchInputs } from './batch-inputs'
import type { Graph, Value } from './graph'
import { headLogits } from './head-parts'
import { weightGradient } from './weight-gradient'

/**
 * log softmax(hidden headᵀ) of the scored tokens with its gradient, on a GPU.
 *
 * ∂logits = onehot · g − softmax · Σ_row g. Several scored tokens may share a row or a cell, and a GPU adds over repeated indices in any
 * order: the host, which has the cotangents anyway, feeds their sums by row and by cell, and what is scattered has every cell once.
 * So every run has the same bits.
 */
export function deviceLogProbs(
  graph: Graph,
  tape: Tape,
  batch: BatchInputs,
  keep: (value: Value, width: number) => void,
  words: number,
  hidden: Value,
  head: Value,
  cap?: number,
): { readonly logProbs: Value } {
  const { y: logits, slope } = headLogits(graph, hidden, head, cap)
  const logProbs = logSoftmax(graph, logits)
  keep(logProbs, words)
  const flat = (x: Value) => graph.node('Reshape', [x, graph.ints(-1)])
  const selected = graph.node('Gather', [flat(logProbs), batch.scoredCells], { attributes: { axis: 0 } })
  const recorded = tape.record(selected, [hidden, head], () => {
    const dense = graph.node('Mul', [graph.node('Exp', [logProbs]), batch.negativeRowCotangents])
    const scattered = graph.node('ScatterElements', [flat(dense), batch.distinctCells, batch.cellCotangents], {
      attributes: { axis: 0, reduction: 'add' },
      label: 'logits_d',
    })
    const dCapped = graph.node('Reshape', [scattered, graph.ints(-1, words)])
    const dLogits = slope ? graph.node('Mul', [dCapped, slope()]) : dCapped
    return [(sum) => graph.node('Gemm', [dLogits, head, sum], { label: 'head_dx' }), weightGradient(graph, dLogits, hidden)]
  })
  return { logProbs: recorded }
}

/** x − log Σ exp x along the last dimension; the provider has no kernel for LogSoftmax. */
function logSoftmax(graph: Graph, x: Value): Value {
  const largest = graph.node('ReduceMax', [x], { attributes: { axes: [-1], keepdims: 1 } })
  const shifted = graph.node('Sub', [x, largest])
  const sum = graph.node('ReduceSum', [graph.node('Exp', [shifted]), graph.ints(-1)], { attributes: { keepdims: 1 } })
  return graph.node('Sub', [shifted, graph.node('Log', [sum])], { label: 'log_probs' })
}
