import type { HeadShape, ModelConfig, PackedBatch } from '@plumbline/transformer'
import type { HostTensor } from '../runtime/session'
import { int64 } from '../runtime/tensors'
import type { AttentionBlocks } from './attention-blocks'
import { attentionFeeds } from './attention-feeds'
import { headFeeds } from './head-feeds'

type Feeds = Record<string, HostTensor>

/** Fills the inputs of `BatchInputs` for one packed batch, with attention in these blocks. */
export function batchFeeds(batch: PackedBatch, blocks: AttentionBlocks, config: HeadShape & Pick<ModelConfig, 'vocabSize'>): Feeds {
  const tailStart = batch.rows - batch.tailRows
  return {
    tokens: { data: batch.tokens, dims: [batch.rows] },
    positions: positionsFeed(batch.positions),
    tail_positions: positionsFeed(batch.positions.subarray(tailStart)),
    tail_start: int64([tailStart]),
    tail_padding: int64([tailStart, 0, 0, 0]),
    ...attentionFeeds(batch, blocks, config),
    ...headFeeds(batch, config.vocabSize),
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

const positionsFeed = (positions: Int32Array): HostTensor => int64(positions, [positions.length, 1])
