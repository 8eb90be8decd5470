import type { Tape } from './autodiff'
import type { BatchInputs } from './batch-inputs'
import type { Graph, Value } from './graph'
import { frozenLogProbs } from './frozen-head'
import { capSlope, chunkLogProbs, column, oneHot, rowCotangents, type ScoredLogProbs } from './head-parts'
import { weightGradient } from './weight-gradient'
import { wideLogProbs } from './wide-head'
import { widened } from './widen'

/** A run of the vocabulary: words from … to − 1. */
export interface Words {
  readonly from: number
  readonly to: number
}

/**
 * Words of one chunk. Logits of a whole vocabulary of 8,192 made the largest tensors of a step; in chunks of this size they take a
 * quarter of that memory in the same time. Wider chunks take longer for large vocabularies too (bench/head.mjs).
 */
const CHUNK = 2048

/** Up to here log-probs are kept for the backward pass: see `wideLogProbs`. */
const MOST_KEPT = 16_384

/** Whether the log-probs of a vocabulary are computed again in the backward pass. */
export const isWide = (words: number) => words > MOST_KEPT

export interface HeadOptions {
  readonly wide?: boolean
  /** The table's width, where it is not trained: no gradient with respect to it will be asked for. */
  readonly frozenWidth?: number
}

/** The vocabulary in chunks of equal size, up to a word. */
export function vocabularyChunks(words: number, most = CHUNK): Words[] {
  const count = Math.ceil(words / most)
  return Array.from({ length: count }, (_, i) => ({
    from: Math.floor((i * words) / count),
    to: Math.floor(((i + 1) * words) / count),
  }))
}

/** The rows of the output head that belong to a chunk: an input of its own, so that the caller feeds a view and nothing is copied. */
export const headPart = (head: string, chunk: number) => `${head}#${chunk}`

/**
 * log softmax(hidden headᵀ)[row, word] of the scored tokens with its gradient, one chunk of the vocabulary at a time.
 *
 * A chunk's softmax is normalised on its own, ℓ_c; with z_c the logarithm of its sum and z that of all, log p = ℓ_c + (z_c − z).
 * In the gradient ∂logits = onehot · g − p · Σ_row g, the factor exp(z_c − z) · Σ_row g of each row is applied to the narrow side of the
 * products, so a chunk's probabilities are touched once. The one-hot part of the head's own gradient is one row a token: it is added
 * outside the graph, from `hidden`, like that of the embedding.
 *
 * Capped logits bend the gradient: ∂logits is multiplied by the slope 1 − (logit / cap)², in each cell for the softmax's part, at the
 * scored tokens for the one-hot part.
 *
 * @param keep called for values that the gradient needs and that are dear to compute again, with their width.
 * @param options.wide for a test: whether it takes the way of large vocabularies.
 */
export function selectedLogProbs(
  graph: Graph,
  tape: Tape,
  batch: BatchInputs,
  keep: (value: Value, width: number) => void,
  words: number,
  hidden: Value,
  head: Value,
  cap?: number,
  { wide = isWide(words), frozenWidth }: HeadOptions = {},
): ScoredLogProbs {
  const chunks = vocabularyChunks(words, batch.wordsPerChunk)
  const isWhole = chunks.length === 1
  const weights = chunks.map((_, c) => graph.input(headPart(head.name, c), head.dtype))
  if (wide && frozenWidth !== undefined && cap === undefined) {
    return frozenLogProbs(graph, tape, batch, keep, frozenWidth, { hidden, head, weights })
  }
  if (wide) return wideLogProbs(graph, tape, batch, keep, { hidden, head, weights }, cap)
  const logProbs = weights.map((weight) => {
    const { logProbs: own, sum } = chunkLogProbs(graph, hidden, weight, cap)
    return { own, sum: isWhole && cap === undefined ? undefined : sum() }
  })
  for (const [c, { own }] of logProbs.entries()) keep(own, chunks[c]!.to - chunks[c]!.from)
  const logSums = logProbs.flatMap(({ sum }) => sum ?? [])
  if (cap !== undefined) for (const sum of logSums) keep(sum, 1)
  const shares = isWhole ? [] : chunkShares(graph, keep, logSums)
  /** Σ over chunks of a number for each scored token that a chunk gives; it counts where the token is in the chunk. */
  const ofScored = (numbers: readonly Value[], label: string) => {
    if (isWhole) return numbers[0]!
    const own = numbers.map((number, c) => graph.node('Mul', [number, batch.scoredInChunk(c)]))
    return graph.node('Sum', own, { label })
  }
  const scored = logProbs.map(({ own }, c) => graph.node('GatherND', [own, batch.scoredPairs(c)]))
  const perRow = (rows: Value) => graph.node('GatherND', [rows, batch.scoredRowPairs])
  const selected = scored.map((own, c) => (isWhole ? own : graph.node('Add', [own, perRow(shares[c]!)])))
  const result = ofScored(selected, 'selected')
  // A capped logit is log-prob + log-sum.
  const cappedLogits = cap === undefined ? [] : scored.map((own, c) => graph.node('Add', [own, perRow(logSums[c]!)]))
  const slope =
    cap === undefined
      ? undefined
      : ofScored(
          cappedLogits.map((logits) => capSlope(graph, logits, cap)),
          'scored_slope',
        )
  const recorded = tape.record(result, [hidden, ...weights], (g) => {
    const row = rowCotangents(graph, batch, g)
    const bent = slope ? rowCotangents(graph, batch, graph.node('Mul', [g, slope])) : row
    const sums = graph.node('Neg', [row.sums])
    const scales = chunks.map((_, c) => (isWhole ? sums : graph.node('Mul', [sums, graph.node('Exp', [shares[c]])])))
    const probabilities = logProbs.map(({ own }, c) => {
      const p = graph.node('Exp', [own], { label: 'probabilities' })
      return cap === undefined ? p : graph.node('Mul', [p, capSlope(graph, graph.node('Add', [own, logSums[c]]), cap)])
    })
    return [
      (sum) => {
        const dense = chunks.map((_, c) =>
          graph.node('Mul', [
            graph.node('Gemm', [probabilities[c], widened(graph, weights[c]!, probabilities[c]!)], { label: 'head_dx' }),
            scales[c],
          ]),
        )
        const terms = [oneHot(graph, batch, head, bent), ...dense, ...(sum ? [sum] : [])]
        return graph.node('Sum', terms)
      },
      ...chunks.map((_, c) => weightGradient(graph, probabilities[c]!, graph.node('Mul', [hidden, scales[c]]))),
    ]
  })
  return slope ? { logProbs: recorded, slope } : { logProbs: recorded }
}

/** z_c − z for every chunk: [rows, 1] each. Kept, because without the logits they cannot be had again. */
function chunkShares(graph: Graph, keep: (value: Value, width: number) => void, sums: readonly Value[]): Value[] {
  const all = graph.node('Concat', sums, { attributes: { axis: 1 } })
  const normalised = graph.node('LogSoftmax', [all], { attributes: { axis: -1 }, label: 'chunk_shares' })
  keep(normalised, sums.length)
  return sums.map((_, c) => column(graph, normalised, c))
}
