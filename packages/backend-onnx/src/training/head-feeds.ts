import { headName, type ModelConfig, type PackedBatch } from '@plumbline/transformer'
import { headPart, vocabularyChunks } from '../graph/head'
import type { HostTensor } from '../runtime/session'

type Feeds = Record<string, HostTensor>

/** Fills the inputs of `BatchInputs` that say which tail row predicts which token. */
export function headFeeds({ groups, tailRows, scoredRows, scoredIds }: PackedBatch, vocabulary: number, wordsPerChunk?: number): Feeds {
  const count = scoredIds.length
  const completionScored = new Int32Array(tailRows - groups).fill(count)
  const completionIds = new Int32Array(tailRows - groups)
  const first: number[] = []
  for (const [s, row] of scoredRows.entries()) {
    if (row < groups) first.push(s)
    else {
      completionScored[row - groups] = s
      completionIds[row - groups] = scoredIds[s]!
    }
  }
  const membership = new Float32Array(first.length * groups)
  for (const [i, s] of first.entries()) membership[i * groups + scoredRows[s]!] = 1
  const feeds: Feeds = {
    scored_row_pairs: pairs(count, (s) => [scoredRows[s]!, 0]),
    completion_scored: { data: completionScored, dims: [completionScored.length] },
    completion_ids: { data: completionIds, dims: [completionIds.length] },
    first_scored: { data: Int32Array.from(first), dims: [first.length] },
    first_ids: { data: Int32Array.from(first, (s) => scoredIds[s]!), dims: [first.length] },
    first_groups: { data: membership, dims: [first.length, groups] },
  }
  for (const [c, { from, to }] of vocabularyChunks(vocabulary, wordsPerChunk).entries()) {
    feeds[`scored_pairs_${c}`] = pairs(count, (s) => [scoredRows[s]!, Math.min(Math.max(scoredIds[s]! - from, 0), to - from - 1)])
    feeds[`scored_in_${c}`] = { data: Float32Array.from(scoredIds, (id) => (id >= from && id < to ? 1 : 0)), dims: [count] }
  }
  return feeds
}

function pairs(count: number, pair: (s: number) => readonly [number, number]): HostTensor {
  const data = new BigInt64Array(2 * count)
  for (let s = 0; s < count; s++) {
    const [row, column] = pair(s)
    data[2 * s] = BigInt(row)
    data[2 * s + 1] = BigInt(column)
  }
  return { data, dims: [count, 2] }
}

/** Views of the head's rows, one per chunk of the vocabulary. @param wordsPerChunk see `vocabularyChunks` */
export function headParts(config: ModelConfig, { data }: HostTensor, wordsPerChunk?: number): [string, HostTensor][] {
  const width = config.hiddenSize
  return vocabularyChunks(config.vocabSize, wordsPerChunk).map(({ from, to }, c) => [
    headPart(headName(config), c),
    { data: data.subarray(from * width, to * width), dims: [to - from, width] },
  ])
}
