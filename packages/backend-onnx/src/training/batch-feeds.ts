import type { HeadShape, PackedBatch } from '@plumbline/transformer'
import type { HostTensor } from '../runtime/session'
import type { AttentionBlocks } from './attention-blocks'
import { attentionFeeds } from './attention-feeds'

type Feeds = Record<string, HostTensor>

/** Fills the inputs of `BatchInputs` (and tokens, positions, scored tokens) for one packed batch, with attention in these blocks. */
export function batchFeeds(batch: PackedBatch, blocks: AttentionBlocks, shape: HeadShape): Feeds {
  const tailStart = batch.rows - batch.tailRows
  return {
    tokens: { data: batch.tokens, dims: [batch.rows] },
    positions: positionsFeed(batch.positions),
    tail_positions: positionsFeed(batch.positions.subarray(tailStart)),
    scored_rows: int64s(batch.scoredRows),
    scored_ids: int64s(batch.scoredIds),
    tail_start: int64(tailStart),
    tail_padding: int64(tailStart, 0, 0, 0),
    tail_zeros: { data: new Float32Array(batch.tailRows), dims: [batch.tailRows] },
    ...attentionFeeds(batch, blocks, shape),
  }
}

/** cos and sin of every position for half a head, as Hugging Face computes them: angles in float32. */
export function ropeTables(maxPositions: number, headDim: number, theta: number): Feeds {
  const half = headDim / 2
  const cosine = new Float32Array(maxPositions * half)
  const sine = new Float32Array(maxPositions * half)
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(1 / Math.fround(theta ** Math.fround((2 * i) / headDim)))
    for (let position = 0; position < maxPositions; position++) {
      const angle = Math.fround(position * frequency)
      cosine[position * half + i] = Math.cos(angle)
      sine[position * half + i] = Math.sin(angle)
    }
  }
  const dims = [maxPositions, half]
  return {
    rope_cosine: { data: cosine, dims },
    rope_sine: { data: sine, dims },
    rope_minus_sine: { data: sine.map((s) => -s), dims },
  }
}

const int64s = (data: Int32Array): HostTensor => ({ data: BigInt64Array.from(data, BigInt), dims: [data.length] })
const int64 = (...values: number[]): HostTensor => ({ data: BigInt64Array.from(values, BigInt), dims: [values.length] })
const positionsFeed = (positions: Int32Array): HostTensor => ({ data: BigInt64Array.from(positions, BigInt), dims: [positions.length, 1] })
