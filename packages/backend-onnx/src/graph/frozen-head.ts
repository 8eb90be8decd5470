import type { Tape } from './autodiff'
import type { BatchInputs } from './batch-inputs'
import type { Graph, Value } from './graph'
import { oneHot, rowCotangents, type HeadInputs, type ScoredLogProbs } from './head-parts'
import { chunkScores, scored, scoredCount } from './wide-head'
import { widened } from './widen'

/**
 * `selectedLogProbs` for a large vocabulary whose table is not trained, as beside an adapter. The backward pass then wants only p·W, the
 * mean of the table's rows by each row's probabilities: as wide as the model, it is made in the forward pass, while a chunk's
 * probabilities are at hand, and kept. So the logits are computed once, where `wideLogProbs` computes them twice.
 *
 * Chunk by chunk: m is the mean so far and z the logarithm of the sum so far; with a further chunk's m_c and z_c
 * m ← σ(z − z_c)·m + σ(z_c − z)·m_c,  z ← z_c + log(1 + exp(z − z_c)).
 */
export function frozenLogProbs(
  graph: Graph,
  tape: Tape,
  batch: BatchInputs,
  keep: (value: Value, width: number) => void,
  width: number,
  { hidden, head, weights }: HeadInputs,
): ScoredLogProbs {
  const counts = scoredCount(graph, batch)
  let so: { readonly mean: Value; readonly logSum: Value } | undefined
  // The mean is made before the result, and from all of a chunk's scores: so it runs first, and leaves nothing of a chunk's logits.
  const scores = weights.map((stored, c) => {
    const weight = widened(graph, stored, hidden)
    const chunk = chunkScores(graph, batch, hidden, weight, c)
    const own = graph.node('Slice', [chunk.scores, counts, graph.ints(2 ** 31 - 1), graph.ints(0)])
    const logSum = graph.node('Reshape', [own, graph.ints(-1, 1)])
    const probabilities = graph.node('Exp', [chunk.logProbs], { label: 'probabilities' })
    const mean = graph.node('Gemm', [probabilities, weight], { label: 'head_mean' })
    so = so ? joined(graph, so, { mean, logSum }) : { mean, logSum }
    return chunk.scores
  })
  const { mean } = so!
  keep(mean, width)
  const { result } = scored(graph, batch, scores)
  const recorded = tape.record(result, [hidden], (g) => {
    const row = rowCotangents(graph, batch, g)
    const dx = graph.node('Mul', [mean, graph.node('Neg', [row.sums])])
    return [(sum) => graph.node('Sum', [oneHot(graph, batch, head, row), dx, ...(sum ? [sum] : [])])]
  })
  return { logProbs: recorded }
}

interface Mean {
  /** [rows, width] */
  readonly mean: Value
  /** [rows, 1] */
  readonly logSum: Value
}

/**
 * The runtime runs a node's oldest input first: made first is the share of what was before, so a chunk begins when the one before is
 * done with. The other way round every chunk's log-probs were alive at once.
 */
function joined(graph: Graph, before: Mean, chunk: Mean): Mean {
  const less = graph.node('Sub', [before.logSum, chunk.logSum])
  const share = (of: Value, logit: Value) => graph.node('Mul', [of, graph.node('Sigmoid', [logit])])
  const ofBefore = share(before.mean, less)
  const mean = graph.node('Add', [ofBefore, share(chunk.mean, graph.node('Neg', [less]))])
  return { mean, logSum: graph.node('Add', [chunk.logSum, graph.node('Softplus', [less])]) }
}
