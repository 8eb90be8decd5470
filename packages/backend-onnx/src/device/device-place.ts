import { PlumbError } from '@plumbline/core/base'
import { planBlocks, type AttentionBlocks } from '../training/attention-blocks'
import type { ModelConfig, PackedBatch } from '@plumbline/transformer'
import { PLAIN } from '../graph/attention-layout'
import type { DType } from '../graph/element-types'
import { emit, type Emitted } from '../graph/emit'
import { Graph, type Value } from '../graph/graph'
import type { Residual } from '../graph/scoring-ops'
import type { Held } from '../runtime/held'
import type { Tensor } from '../runtime/onnxruntime'
import type { Feeds, HostTensor } from '../runtime/session'
import { tensorNamed } from '../runtime/tensor-named'
import { int64 } from '../runtime/tensors'
import type { LiveBatch } from '../training/live-rows'
import type { Differentiation, Place, Scored } from '../training/place'
import { gradientOf, LOG_PROBS, sumOf } from '../training/tracing'
import { deviceFeeds } from './feeds'
import type { DeviceMemory, DeviceTensor } from './memory'
import { nativeTensors, type DeviceParameters, type DeviceTensors } from './parameters'
import { DeviceSession } from './session'

/** A GPU's memory, on the WebGPU provider: what a graph computes is a new tensor there, and what is added up replaces the sum before. */
export class DevicePlace implements Place<DeviceTensor, DeviceParameters, DeviceSession> {
  readonly device = 'webgpu'
  private selecting: Promise<DeviceSession> | undefined

  constructor(
    private readonly config: ModelConfig,
    private readonly memory: DeviceMemory,
  ) {}

  readonly hold = (tensors: Readonly<Record<string, HostTensor>>): Promise<Held> => this.memory.uploadAll(tensors)

  typeOf(): DType {
    return 'float32'
  }

  feeds(weights: DeviceTensors): Record<string, Tensor> {
    return nativeTensors(weights)
  }

  /** Blocks save arithmetic, which is not what a GPU lacks, and cost runs of kernels. */
  blocks(batch: PackedBatch): AttentionBlocks {
    const blocks = planBlocks(batch, PLAIN)
    requireBindable(blocks, this.config.heads)
    return blocks
  }

  extraFeeds(batch: PackedBatch, cotangents?: Float32Array): Record<string, HostTensor> {
    return deviceFeeds(batch, this.config.vocabSize, cotangents)
  }

  compile(model: Emitted): Promise<DeviceSession> {
    const stays = model.outputs.filter((name) => name !== LOG_PROBS)
    return DeviceSession.create(model, stays)
  }

  async score(session: DeviceSession, feeds: Feeds): Promise<Scored> {
    const { host, resident } = await session.run(feeds)
    return { logProbs: tensorNamed(host, LOG_PROBS).data as Float32Array, kept: this.memory.holdAll(resident) }
  }

  async select({ feeds }: Held, residuals: readonly Residual[], { sourceRows, sourceTailRows }: LiveBatch): Promise<Held> {
    const session = await (this.selecting ??= rowSelection())
    const selected: Record<string, Tensor> = {}
    for (const { value, width, split, tail } of residuals) {
      const rows = tail ? sourceTailRows : sourceRows
      const { resident } = await session.run({
        x: tensorNamed(feeds, value.name),
        rows: { data: rows, dims: [rows.length] },
        by_row: int64([-1, width]),
        shape: int64([-1, width / split]),
      })
      selected[value.name] = tensorNamed(resident, 'y')
    }
    return this.memory.holdAll(selected)
  }

  async differentiate(session: DeviceSession, { store, feeds: describe }: Differentiation<DeviceParameters>): Promise<void> {
    const feeds = await describe()
    for (const name of store.trained) feeds[sumOf(name)] = (await store.gradient(name)).native
    const { resident } = await session.run(feeds)
    for (const name of store.trained) store.setGradient(name, this.memory.hold(tensorNamed(resident, gradientOf(name))))
  }

  async release(): Promise<void> {
    await (await this.selecting)?.release()
    this.selecting = undefined
  }
}

/** Numbers of 4 bytes in a binding that no GPU exceeds: Vulkan's maxStorageBufferRange is a uint32. */
const MOST_BOUND = 2 ** 30

/** @throws PlumbError PLUMB_BATCH_TOO_LARGE where attention's scores are one tensor that is too large for any GPU. */
function requireBindable({ prompt, completion }: AttentionBlocks, heads: number): void {
  for (const { sequences, queries, keys } of [...prompt, ...completion.flat()]) {
    const numbers = sequences * heads * queries * keys
    if (numbers < MOST_BOUND) continue
    const message =
      `Attention of ${queries} tokens to ${keys}, in ${sequences} ${sequences === 1 ? 'sequence' : 'sequences'} and ${heads} heads, is one tensor of ` +
      `${((numbers / MOST_BOUND) * 4).toFixed(1)} GiB; a GPU reads less than 4 GiB at once. Expected a lower lengths.maxCompletionTokens or ` +
      'lengths.maxPromptTokens, a smaller backend.microBatchTokens where it is several sequences, or device: cpu, which computes long ones layer by layer.'
    throw new PlumbError('PLUMB_BATCH_TOO_LARGE', message)
  }
}

/** x in rows of `by_row` numbers → those at `rows`, in rows of `shape`. */
function rowSelection(): Promise<DeviceSession> {
  const graph = new Graph('webgpu')
  const reshape = (x: Value, shape: string) => graph.node('Reshape', [x, graph.input(shape, 'int64')])
  const selected = graph.node('Gather', [reshape(graph.input('x'), 'by_row'), graph.input('rows', 'int32')], { attributes: { axis: 0 } })
  return DeviceSession.create(emit({ y: reshape(selected, 'shape') }), ['y'])
}
