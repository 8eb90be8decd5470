import { causalMask, elements, embeddingName, hideUnseen, widen, windowsOf, type ModelConfig } from '@plumbline/transformer'
import type { HeldWeights } from '../runtime/held-tensor'
import type { Scratch } from '../runtime/scratch'
import type { Feeds, HostTensor, Session } from '../runtime/session'
import { FEWEST_ROWS, type PrefilledPrompt } from './batch'
import { maskInput } from './masks'
import { padded } from './prompt-cache'
import { weightFeeds } from './weights'
import { int64 } from '../runtime/tensors'
import { tensorNamed } from '../runtime/tensor-named'

/** A prompt and the candidates asked for. */
export interface PromptRequest {
  readonly id: string
  readonly prompt: readonly number[]
  readonly candidates: readonly number[]
}

/** Runs the prefill graph over prompts, each once for all of its candidates. The results stand in `memory` until all are given up. */
export async function prefill(
  session: Session,
  config: ModelConfig,
  weights: HeldWeights,
  constants: Feeds,
  requests: readonly PromptRequest[],
  memory: Scratch,
): Promise<PrefilledPrompt[]> {
  const { vocabSize, kvHeads, headDim } = config
  const size = requests.length
  const { width, ids, feeds } = prefillFeeds(config, requests)
  const layers = Array.from({ length: config.layers }, (_, layer) => layer)
  const dims: Record<string, readonly number[]> = { logits: [Math.max(FEWEST_ROWS, size), vocabSize] }
  for (const layer of layers) {
    dims[`keys_${layer}`] = [size, kvHeads, headDim, width]
    dims[`values_${layer}`] = [size, kvHeads, width, headDim]
  }
  const { parts, give } = memory.take(Object.values(dims).map(elements))
  const outputs = Object.fromEntries(Object.entries(dims).map(([name, one], i) => [name, { data: parts[i]!, dims: one }]))
  await session.run({ ...weightFeeds(config, weights), ...constants, ...feeds, x: embed(config, weights, ids) }, outputs)
  const part = (name: string, index: number) => {
    const { data } = tensorNamed(outputs, name)
    const length = data.length / size
    return data.subarray(index * length, (index + 1) * length)
  }
  const logits = tensorNamed(outputs, 'logits')
  let held = size
  const giveUp = () => {
    if (--held === 0) give()
  }
  return requests.map(({ id, prompt, candidates }, index) => ({
    id,
    giveUp,
    length: prompt.length,
    entries: {
      stride: width,
      keys: layers.map((layer) => part(`keys_${layer}`, index)),
      values: layers.map((layer) => part(`values_${layer}`, index)),
    },
    logits: logits.data.subarray(index * vocabSize, (index + 1) * vocabSize),
    waiting: [...candidates],
  }))
}

/** What the prefill graph reads but for weights, tables and embeddings. */
export function prefillFeeds(
  config: ModelConfig,
  requests: readonly PromptRequest[],
): { readonly width: number; readonly ids: Int32Array; readonly feeds: Record<string, HostTensor> } {
  const { kvHeads, headDim } = config
  const size = requests.length
  const width = Math.max(...requests.map(({ prompt }) => padded(prompt.length)))
  const ids = new Int32Array(size * width) // padding is token 0: computed, never read
  for (const [index, { prompt }] of requests.entries()) ids.set(prompt, index * width)
  const lengths = requests.map(({ prompt }) => prompt.length)
  // A product of one row is computed in another order than the same row among others: one prompt is asked for twice.
  const asked = Array.from({ length: Math.max(FEWEST_ROWS, size) }, (_, index) => Math.min(index, size - 1))
  const positions = Array.from(ids, (_, row) => Math.min(row % width, config.maxPositions - 1))
  const feeds: Record<string, HostTensor> = {
    positions: int64(positions, [positions.length, 1]),
    last: int64(asked.map((index) => index * width + lengths[index]! - 1)),
    last_positions: int64(
      asked.map((index) => lengths[index]! - 1),
      [asked.length, 1],
    ),
    key_shape: int64([size, width, kvHeads, headDim]),
    query_shape: int64([size, width, kvHeads, config.heads / kvHeads, headDim]),
  }
  for (const window of windowsOf(config.attention)) {
    const lastMask = new Float32Array(asked.length * width)
    for (const [row, index] of asked.entries()) hideUnseen(lastMask, row * width, width, lengths[index]! - 1, window)
    feeds[maskInput('causal', window)] = { data: causalMask(width, window), dims: [width, width] }
    feeds[maskInput('last_mask', window)] = { data: lastMask, dims: [asked.length, 1, 1, width] }
  }
  return { width, ids, feeds }
}

/** Rows of the embedding table. [ids, d] */
export function embed(config: ModelConfig, weights: HeldWeights, ids: Int32Array): HostTensor {
  const { data, shape, half } = weights.get(embeddingName(config))!
  const width = shape[1]!
  const rows = new Float32Array(ids.length * width)
  for (const [row, id] of ids.entries()) {
    const [from, to] = [id * width, (id + 1) * width]
    if (data instanceof Float32Array) rows.set(data.subarray(from, to), row * width)
    else widen(data.subarray(from, to), half!, rows.subarray(row * width, (row + 1) * width))
  }
  return { data: rows, dims: [ids.length, width] }
}
