import type { HeadShape, PackedBatch } from '@plumbline/transformer'
import type { HostTensor } from '../runtime/session'
import { int64 } from '../runtime/tensors'
import type { AttentionBlocks } from './attention-blocks'
import { attentionFeeds } from './attention-feeds'

type Feeds = Record<string, HostTensor>

/** Fills the inputs of `BatchInputs` that every device's graphs have for one packed batch, with attention in these blocks. */
export function batchFeeds(batch: PackedBatch, blocks: AttentionBlocks, config: HeadShape): Feeds {
  const tailStart = batch.rows - batch.tailRows
  return {
    tokens: { data: batch.tokens, dims: [batch.rows] },
    positions: positionsFeed(batch.positions),
    tail_positions: positionsFeed(batch.positions.subarray(tailStart)),
    tail_start: int64([tailStart]),
    tail_padding: int64([tailStart, 0, 0, 0]),
    ...attentionFeeds(batch, blocks, config),
  }
}

const positionsFeed = (positions: Int32Array): HostTensor => int64(positions, [positions.length, 1])
