import type { Tape } from './autodiff'
import type { BatchInputs } from './batch-inputs'
import type { Graph, Value } from './graph'
import { capSlope, chunkLogProbs, firstColumn, oneHot, rowCotangents, type HeadInputs, type ScoredLogProbs } from './head-parts'
import { softcap } from './ops'
import { weightGradient } from './weight-gradient'
import { widened } from './widen'

/**
 * `selectedLogProbs` for a vocabulary whose log-probs are not kept: they are a quarter to a third of what a row keeps at 50,000 words and
 * more. Kept is z, the logarithm of each row's sum over all words. The backward pass computes a chunk's logits again, one of the head's
 * three products, and has its probabilities, exp(logits − z), at once for all chunks' common factor.
 *
 * One chunk's logits are alive at a time, in both passes: the nodes are tied so that the runtime, which orders them by what needs what,
 * has no reason to compute the next chunk before it is done with one.
 */
export function wideLogProbs(
  graph: Graph,
  tape: Tape,
  batch: BatchInputs,
  keep: (value: Value, width: number) => void,
  { hidden, head, weights }: HeadInputs,
  cap?: number,
): ScoredLogProbs {
  const { logits, z, result } = scored(
    graph,
    batch,
    weights.map((weight, c) => chunkScores(graph, batch, hidden, weight, c, cap).scores),
  )
  keep(z, 1)
  const slope = cap === undefined ? undefined : capSlope(graph, logits, cap)
  const recorded = tape.record(result, [hidden, ...weights], (g) => {
    const row = rowCotangents(graph, batch, g)
    const bent = slope ? rowCotangents(graph, batch, graph.node('Mul', [g, slope])) : row
    const scale = graph.node('Neg', [row.sums])
    const below = graph.node('Neg', [z])
    let dense: Value | undefined
    const parts = weights.map((stored) => {
      const weight = widened(graph, stored, hidden)
      const probabilities = chunkProbabilities(graph, hidden, weight, below, cap)
      // Adds zero, of what the chunk before has left for `dense`: that chunk's probabilities are then no longer needed.
      const pin = dense && graph.node('Mul', [firstColumn(graph, dense), graph.scalar(0)])
      const scaled = graph.node('Mul', [hidden, pin ? graph.node('Add', [scale, pin]) : scale])
      dense = graph.node('Gemm', dense ? [probabilities, weight, dense] : [probabilities, weight], { label: 'head_dx' })
      return weightGradient(graph, probabilities, scaled)
    })
    const dx = graph.node('Mul', [dense!, scale])
    return [(sum) => graph.node('Sum', [oneHot(graph, batch, head, bent), dx, ...(sum ? [sum] : [])]), ...parts]
  })
  return slope ? { logProbs: recorded, slope } : { logProbs: recorded }
}

/**
 * One chunk's logits of the scored tokens, 0 for those that are in another, and behind them each row's log-sum. [m + rows]
 *
 * Side by side, so that both are there before the next chunk begins.
 */
export function chunkScores(
  graph: Graph,
  batch: BatchInputs,
  hidden: Value,
  weight: Value,
  chunk: number,
  cap?: number,
): { readonly scores: Value; readonly logProbs: Value } {
  const { logits, logProbs, sum: logSum } = chunkLogProbs(graph, hidden, weight, cap)
  const selected = graph.node('Mul', [graph.node('GatherND', [logits, batch.scoredPairs(chunk)]), batch.scoredInChunk(chunk)])
  const sum = logSum()
  const scores = graph.node('Concat', [selected, graph.node('Reshape', [sum, graph.ints(-1)])], { attributes: { axis: 0 } })
  return { scores, logProbs }
}

/** Number of scored tokens, and so the place of the log-sums in a chunk's scores. int64 [1] */
export function scoredCount(graph: Graph, batch: BatchInputs): Value {
  const pairs = graph.node('Shape', [batch.scoredRowPairs], { dtype: 'int64' })
  return graph.node('Slice', [pairs, graph.ints(0), graph.ints(1)])
}

/** From the scores of all chunks: the scored tokens' logits [m], each row's log-sum over all words [rows, 1], and the log-probs [m]. */
export function scored(graph: Graph, batch: BatchInputs, chunks: readonly Value[]) {
  const counts = scoredCount(graph, batch)
  const all = graph.node('Reshape', [graph.node('Concat', chunks, { attributes: { axis: 0 } }), graph.ints(chunks.length, -1)])
  const logits = graph.node('ReduceSum', [graph.node('Slice', [all, graph.ints(0), counts, graph.ints(1)]), graph.ints(0)], {
    attributes: { keepdims: 0 },
  })
  const sums = graph.node('Slice', [all, counts, graph.ints(2 ** 31 - 1), graph.ints(1)])
  const shares = graph.node('LogSoftmax', [graph.node('Transpose', [sums], { attributes: { perm: [1, 0] } })], { attributes: { axis: -1 } })
  const first = graph.node('Reshape', [graph.node('Slice', [sums, graph.ints(0), graph.ints(1), graph.ints(0)]), graph.ints(-1, 1)])
  const z = graph.node('Sub', [first, firstColumn(graph, shares)], { label: 'log_sums' })
  const result = graph.node('Sub', [logits, graph.node('GatherND', [z, batch.scoredRowPairs])], { label: 'selected' })
  return { logits, z, result }
}

/** exp(logits − z), times the slope of the cap where there is one. */
function chunkProbabilities(graph: Graph, hidden: Value, weight: Value, below: Value, cap: number | undefined): Value {
  const gemm = { attributes: { transB: 1 }, label: 'logits' }
  if (cap === undefined) return graph.node('Exp', [graph.node('Gemm', [hidden, weight, below], gemm)], { label: 'probabilities' })
  const { y, slope } = softcap(graph, graph.node('Gemm', [hidden, weight], gemm), cap)
  return graph.node('Mul', [graph.node('Exp', [graph.node('Add', [y, below])], { label: 'probabilities' }), slope()])
}
