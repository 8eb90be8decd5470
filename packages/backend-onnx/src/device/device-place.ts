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
    return planBlocks(batch, PLAIN)
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

/** x in rows of `by_row` numbers → those at `rows`, in rows of `shape`. */
function rowSelection(): Promise<DeviceSession> {
  const graph = new Graph('webgpu')
  const reshape = (x: Value, shape: string) => graph.node('Reshape', [x, graph.input(shape, 'int64')])
  const selected = graph.node('Gather', [reshape(graph.input('x'), 'by_row'), graph.input('rows', 'int32')], { attributes: { axis: 0 } })
  return DeviceSession.create(emit({ y: reshape(selected, 'shape') }), ['y'])
}
