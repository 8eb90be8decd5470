import type { Tape } from './autodiff'
import type { BatchInputs } from './batch-inputs'
import type { Graph, Value } from './graph'
import { softcap } from './ops'
import { weightGradient } from './weight-gradient'

/** A run of the vocabulary: words from … to − 1. */
export interface Words {
  readonly from: number
  readonly to: number
}

/**
 * Words of one chunk. Logits of a whole vocabulary of 8,192 made the largest tensors of a step; in chunks of this size they take a
 * quarter of that memory in the same time.
 */
const CHUNK = 2048

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
 * @returns the log-probs, and where logits are capped the slope at each scored token. [m]
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
): { readonly logProbs: Value; readonly slope?: Value } {
  const chunks = vocabularyChunks(words, batch.wordsPerChunk)
  const isWhole = chunks.length === 1
  const weights = chunks.map((_, c) => graph.input(headPart(head.name, c)))
  const logProbs = weights.map((weight) => {
    const product = graph.node('Gemm', [hidden, weight], { attributes: { transB: 1 }, label: 'logits' })
    const logits = cap === undefined ? product : softcap(graph, product, cap).y
    const own = graph.node('LogSoftmax', [logits], { attributes: { axis: -1 }, label: 'log_probs' })
    const sum = () => graph.node('Sub', [firstColumn(graph, logits), firstColumn(graph, own)])
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
  /** 1 − (x / cap)² for capped logits x = log-prob + log-sum. */
  const slopeOf = (x: Value) => {
    const part = graph.node('Mul', [x, graph.scalar(1 / cap!)])
    return graph.node('Sub', [graph.scalar(1), graph.node('Mul', [part, part])])
  }
  const cappedLogits = cap === undefined ? [] : scored.map((own, c) => graph.node('Add', [own, perRow(logSums[c]!)]))
  const slope = cap === undefined ? undefined : ofScored(cappedLogits.map(slopeOf), 'scored_slope')
  const recorded = tape.record(result, [hidden, ...weights], (g) => {
    const row = rowCotangents(graph, batch, g)
    const bent = slope ? rowCotangents(graph, batch, graph.node('Mul', [g, slope])) : row
    const sums = graph.node('Neg', [row.sums])
    const scales = chunks.map((_, c) => (isWhole ? sums : graph.node('Mul', [sums, graph.node('Exp', [shares[c]])])))
    const probabilities = logProbs.map(({ own }, c) => {
      const p = graph.node('Exp', [own], { label: 'probabilities' })
      return cap === undefined ? p : graph.node('Mul', [p, slopeOf(graph.node('Add', [own, logSums[c]]))])
    })
    return [
      (sum) => {
        const dense = chunks.map((_, c) =>
          graph.node('Mul', [graph.node('Gemm', [probabilities[c], weights[c]], { label: 'head_dx' }), scales[c]]),
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

interface RowCotangents {
  /** One per completion row: that of the token it predicts. [completionRows, 1] */
  readonly completion: Value
  /** One per completion: that of its first token, which the last prompt row predicts. [completions, 1] */
  readonly first: Value
  /** Σ over the tokens that a tail row predicts. [tailRows, 1] */
  readonly sums: Value
}

function rowCotangents(graph: Graph, batch: BatchInputs, g: Value): RowCotangents {
  // One zero more than tokens: the row that predicts nothing (see `packGroups`) points to it.
  const padded = graph.node('Reshape', [graph.node('Pad', [g, graph.ints(0, 1)]), graph.ints(-1, 1)])
  const pick = (index: Value) => graph.node('Gather', [padded, index], { attributes: { axis: 0 } })
  const [completion, first] = [pick(batch.completionScored), pick(batch.firstScored)]
  const groups = graph.node('Gemm', [batch.firstGroups, first], { attributes: { transA: 1 } })
  return { completion, first, sums: graph.node('Concat', [groups, completion], { attributes: { axis: 0 } }) }
}

/** Σ over the tokens that a tail row predicts, of g · head[token]. [tailRows, width] */
function oneHot(graph: Graph, batch: BatchInputs, head: Value, { completion, first }: RowCotangents): Value {
  const rows = (ids: Value, g: Value) => graph.node('Mul', [graph.node('Gather', [head, ids], { attributes: { axis: 0 } }), g])
  const groups = graph.node('Gemm', [batch.firstGroups, rows(batch.firstIds, first)], { attributes: { transA: 1 } })
  return graph.node('Concat', [groups, rows(batch.completionIds, completion)], { attributes: { axis: 0 } })
}

const firstColumn = (graph: Graph, x: Value) => column(graph, x, 0)

function column(graph: Graph, x: Value, index: number): Value {
  return graph.node('Slice', [x, graph.ints(index), graph.ints(index + 1), graph.ints(1)])
}
