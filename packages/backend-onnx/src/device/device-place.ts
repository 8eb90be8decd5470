import { deviceBlocks, type AttentionBlocks } from '../training/attention-blocks'
import type { ModelConfig, PackedBatch } from '@plumbline/transformer'
import { JOINED } from '../graph/attention-layout'
import type { DType } from '../graph/element-types'
import { emit, type Emitted } from '../graph/emit'
import { Graph } from '../graph/graph'
import type { Residual } from '../graph/scoring-ops'
import type { Held } from '../runtime/held'
import type { Tensor } from '../runtime/onnxruntime'
import type { Feeds, HostTensor } from '../runtime/session'
import { tensorNamed } from '../runtime/tensor-named'
import { int32 } from '../runtime/tensors'
import type { LiveBatch } from '../training/live-rows'
import type { Differentiation, Place, Scored } from '../training/place'
import { gradientOf, LOG_PROBS, sumOf } from '../training/tracing'
import { cotangentFeeds, scoredFeeds } from './feeds'
import { requireBindable } from './limits'
import type { DeviceMemory, DeviceTensor } from './memory'
import { nativeTensors, type DeviceParameters, type DeviceTensors } from './parameters'
import { DeviceSession } from './session'
import { DeviceSessions } from './sessions'

/** A GPU's memory, on the WebGPU provider: what a graph computes is a new tensor there, and what is added up replaces the sum before. */
export class DevicePlace implements Place<DeviceTensor, DeviceParameters, DeviceSession> {
  readonly device = 'webgpu'
  readonly usualLayout = JOINED
  /** One for each list of kept tensors that rows were selected from. */
  private readonly selecting = new DeviceSessions(residualNames, rowSelection)

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

  blocks(batch: PackedBatch): AttentionBlocks {
    const blocks = deviceBlocks(batch, this.config.heads)
    requireBindable(blocks, this.config.heads)
    return blocks
  }

  extraFeeds(batch: PackedBatch): Record<string, HostTensor> {
    return scoredFeeds(batch, this.config.vocabSize)
  }

  cotangentFeeds(batch: PackedBatch, cotangents: Float32Array): Record<string, HostTensor> {
    return cotangentFeeds(batch, this.config.vocabSize, cotangents)
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
    const session = await this.selecting.of(residuals)
    const { resident } = await session.run({ ...feeds, rows: int32(sourceRows), tail_rows: int32(sourceTailRows) })
    return this.memory.holdAll(Object.fromEntries(residuals.map(({ value: { name } }) => [name, tensorNamed(resident, selectedOf(name))])))
  }

  async differentiate(session: DeviceSession, { store, feeds: describe }: Differentiation<DeviceParameters>): Promise<void> {
    const feeds = await describe()
    for (const name of store.trained) feeds[sumOf(name)] = (await store.gradient(name)).native
    const { resident } = await session.run(feeds)
    for (const name of store.trained) store.setGradient(name, this.memory.hold(tensorNamed(resident, gradientOf(name))))
  }

  release(): Promise<void> {
    return this.selecting.release()
  }
}

const selectedOf = (name: string) => `selected:${name}`

function residualNames(residuals: readonly Residual[]): string {
  return residuals.map(({ value }) => value.name).join()
}

/** Of every kept tensor, by its name, the rows at `rows` or, of those that only the tail has, at `tail_rows`: all of them in one run. */
function rowSelection(residuals: readonly Residual[]): Promise<DeviceSession> {
  const graph = new Graph('webgpu')
  const selected = residuals.map(({ value: { name }, width, split, tail }) => {
    const byRow = graph.node('Reshape', [graph.input(name), graph.ints(-1, width)])
    const rows = graph.node('Gather', [byRow, graph.input(tail ? 'tail_rows' : 'rows', 'int32')], { attributes: { axis: 0 } })
    return [selectedOf(name), split === 1 ? rows : graph.node('Reshape', [rows, graph.ints(-1, width / split)])] as const
  })
  return DeviceSession.create(
    emit(Object.fromEntries(selected)),
    selected.map(([name]) => name),
  )
}
