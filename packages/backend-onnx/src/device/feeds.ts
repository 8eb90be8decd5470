import { PlumbError } from '@plumbline/core/base'
import type { PackedBatch } from '@plumbline/transformer'
import type { HostTensor } from '../runtime/session'
import { int32, int64 } from '../runtime/tensors'

/** Cells are numbered in int32. */
const MOST_CELLS = 2 ** 31 - 1

type Feeds = Record<string, HostTensor>

/**
 * Where the log-probs of scored tokens stand among all of a micro-batch.
 * @throws PlumbError PLUMB_BATCH_TOO_LARGE
 */
export function scoredFeeds(batch: PackedBatch, vocabSize: number): Feeds {
  const numbers = batch.tailRows * vocabSize
  if (numbers > MOST_CELLS) {
    const message =
      `A micro-batch of ${batch.tailRows} scored rows and a vocabulary of ${vocabSize} has ${numbers} log-probabilities; ` +
      `this engine counts to ${MOST_CELLS}. Expected a smaller backend.microBatchTokens.`
    throw new PlumbError('PLUMB_BATCH_TOO_LARGE', message)
  }
  return { scored_cells: int32(scoredCells(batch, vocabSize)) }
}

/**
 * Fills the inputs of a backward pass that only a GPU's graphs have: what would be sums over repeated indices there is added up
 * here, in order, so that every run has the same bits.
 */
export function cotangentFeeds(batch: PackedBatch, vocabSize: number, cotangents: Float32Array): Feeds {
  return {
    ...headFeeds(batch, scoredCells(batch, vocabSize), cotangents),
    ...tableFeeds('token', batch.tokens),
    ...tableFeeds('position', batch.positions),
  }
}

function scoredCells({ scoredRows, scoredIds }: PackedBatch, vocabSize: number): Int32Array {
  return scoredRows.map((row, i) => row * vocabSize + scoredIds[i]!)
}

function headFeeds(batch: PackedBatch, cells: Int32Array, cotangents: Float32Array): Feeds {
  const rows = new Float64Array(batch.tailRows)
  const sums = new Map<number, number>()
  for (const [i, cell] of cells.entries()) {
    rows[batch.scoredRows[i]!]! -= cotangents[i]!
    sums.set(cell, (sums.get(cell) ?? 0) + cotangents[i]!)
  }
  return {
    negative_row_cotangents: { data: Float32Array.from(rows), dims: [rows.length, 1] },
    distinct_cells: int32(Int32Array.from(sums.keys())),
    cell_cotangents: { data: Float32Array.from(sums.values()), dims: [sums.size] },
  }
}

function tableFeeds(of: 'token' | 'position', ids: Int32Array): Feeds {
  const numbers = new Map<number, number>()
  const ofRow = ids.map((id) => {
    const number = numbers.get(id) ?? numbers.size
    numbers.set(id, number)
    return number
  })
  return {
    [`${of}_of_row`]: { data: ofRow, dims: [1, ofRow.length] },
    [`${of}_numbers`]: { data: Int32Array.from({ length: numbers.size }, (_, number) => number), dims: [numbers.size, 1] },
    [`distinct_${of}s`]: int64([...numbers.keys()], [numbers.size, 1]),
  }
}
