import type { Tensor } from '../runtime/onnxruntime'
import { packGroups, positionsOf, type ModelConfig, type PackedBatch, type PackedGroup } from '@plumbline/transformer'
import { PLAIN } from '../graph/attention-layout'
import { emit, type Emitted } from '../graph/emit'
import { Graph, type Value } from '../graph/graph'
import type { HostTensor } from '../runtime/session'
import { planBlocks } from '../training/attention-blocks'
import { batchFeeds } from '../training/batch-feeds'
import { differentiateOldest, type ForwardPass, type LiveBatch } from '../training/live-rows'
import type { Stage } from '../training/program'
import { COTANGENT, gradientOf, LOG_PROBS, sumOf, traceTraining, type TrainingGraph } from '../training/training-graph'
import { deviceFeeds } from './feeds'
import type { DeviceMemory, DeviceTensor } from './memory'
import type { DeviceParameters, DeviceTensors } from './parameters'
import { DeviceRopeTables } from './rope-tables'
import { DeviceSession, type DeviceResult } from './session'
import { int64 } from '../runtime/tensors'
import { tensorNamed } from '../runtime/tensor-named'

type Feeds = Record<string, HostTensor | Tensor>
type Kept = ReadonlyMap<string, DeviceTensor>

/** A forward pass that waits for its cotangents. */
interface Pending extends ForwardPass {
  /** Kept activations, on the device; absent when they are computed again. */
  readonly kept?: Kept
}

/**
 * Scores and differentiates packed batches on the device. Token ids and cotangents go in, log-probs come out; weights, activations
 * and gradients stay there.
 */
export class DeviceTrainer {
  private readonly sessions = new Map<Stage, Promise<DeviceSession>>()
  private graph: TrainingGraph
  private readonly tables: DeviceRopeTables
  private selecting: Promise<DeviceSession> | undefined
  private pending: Pending[] = []

  constructor(
    private readonly config: ModelConfig,
    private readonly memory: DeviceMemory,
    private readonly parameters: DeviceParameters,
  ) {
    this.graph = this.trace()
    this.tables = new DeviceRopeTables(config, memory)
  }

  /** Makes the sessions of a training step for what is trained from now on; their shaders are compiled when they first run. */
  async compile(keep: boolean): Promise<void> {
    await this.releaseSessions()
    this.graph = this.trace()
    await Promise.all([this.session(keep ? 'forwardKeeping' : 'forward'), this.session(keep ? 'backwardFromKept' : 'backwardRecomputing')])
  }

  /** Log-probs of every token of every completion, in order. */
  async logProbs(groups: readonly PackedGroup[], weights: DeviceTensors = this.parameters.weights): Promise<Float32Array> {
    const { host } = await this.run('forward', await this.feeds(packGroups(groups), weights))
    return tensorNamed(host, LOG_PROBS).data as Float32Array
  }

  /** The same, remembered for a later `backward`; several may wait, first in, first out. */
  async forward(groups: readonly PackedGroup[], keep: boolean): Promise<Float32Array> {
    const batch = packGroups(groups)
    const { host, resident } = await this.run(keep ? 'forwardKeeping' : 'forward', await this.feeds(batch))
    const kept = new Map(Object.entries(resident).map(([name, tensor]) => [name, this.memory.hold(tensor)]))
    this.pending.push({ groups, batch, kept: keep ? kept : undefined })
    return tensorNamed(host, LOG_PROBS).data as Float32Array
  }

  /** Adds the gradient of Σ cotangent · log-prob for the oldest waiting forward pass. */
  backward(cotangents: Float32Array): Promise<void> {
    return differentiateOldest(
      this.pending,
      cotangents,
      (pending, live) => this.addGradients(pending, live),
      ({ kept }) => releaseAll(kept),
    )
  }

  /** Forgets waiting forward passes and accumulated gradients. */
  drop(): void {
    for (const { kept } of this.pending) releaseAll(kept)
    this.pending = []
    this.parameters.clearGradients()
  }

  async release(): Promise<void> {
    this.drop()
    await this.releaseSessions()
    await (await this.selecting)?.release()
    this.tables.release()
  }

  private async releaseSessions(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release()
    this.sessions.clear()
  }

  private trace(): TrainingGraph {
    return traceTraining(this.config, PLAIN, this.parameters.frozen, 'webgpu')
  }

  private async addGradients({ batch: full, kept }: Pending, live: LiveBatch): Promise<void> {
    const { batch, cotangents } = live
    const selected = kept && batch !== full ? await this.selectRows(kept, live) : undefined
    try {
      const feeds = await this.feeds(batch)
      Object.assign(feeds, deviceFeeds(batch, this.config.vocabSize, cotangents))
      feeds[COTANGENT] = { data: cotangents, dims: [cotangents.length] }
      for (const [name, { native }] of selected ?? kept ?? []) feeds[name] = native
      for (const name of this.parameters.trained) feeds[sumOf(name)] = (await this.parameters.gradient(name)).native
      const { resident } = await this.run(kept ? 'backwardFromKept' : 'backwardRecomputing', feeds)
      for (const name of this.parameters.trained)
        this.parameters.setGradient(name, this.memory.hold(tensorNamed(resident, gradientOf(name))))
    } finally {
      releaseAll(selected)
    }
  }

  /** The kept rows of the completions that are alive. */
  private async selectRows(kept: Kept, { sourceRows, sourceTailRows }: LiveBatch): Promise<Kept> {
    const session = await (this.selecting ??= rowSelection())
    const selected = new Map<string, DeviceTensor>()
    for (const { value, width, split, tail } of this.graph.residuals) {
      const rows = tail ? sourceTailRows : sourceRows
      const { resident } = await session.run({
        x: kept.get(value.name)!.native,
        rows: { data: rows, dims: [rows.length] },
        by_row: int64([-1, width]),
        shape: int64([-1, width / split]),
      })
      selected.set(value.name, this.memory.hold(tensorNamed(resident, 'y')))
    }
    return selected
  }

  private async feeds(batch: PackedBatch, weights: DeviceTensors = this.parameters.weights): Promise<Feeds> {
    const feeds: Feeds = { ...batchFeeds(batch, planBlocks(batch, PLAIN), this.config), ...deviceFeeds(batch, this.config.vocabSize) }
    for (const [name, { native }] of await this.tables.upTo(positionsOf(batch))) feeds[name] = native
    for (const [name, { native }] of weights) feeds[name] = native
    return feeds
  }

  private async run(stage: Stage, feeds: Feeds): Promise<DeviceResult> {
    return (await this.session(stage)).run(feeds)
  }

  private session(stage: Stage): Promise<DeviceSession> {
    const made = this.sessions.get(stage) ?? this.compiled(this.graph[stage]())
    this.sessions.set(stage, made)
    return made
  }

  private compiled(model: Emitted): Promise<DeviceSession> {
    return DeviceSession.create(
      model,
      model.outputs.filter((name) => name !== LOG_PROBS),
    )
  }
}

/** x in rows of `by_row` numbers → those at `rows`, in rows of `shape`. */
function rowSelection(): Promise<DeviceSession> {
  const graph = new Graph('webgpu')
  const reshape = (x: Value, shape: string) => graph.node('Reshape', [x, graph.input(shape, 'int64')])
  const selected = graph.node('Gather', [reshape(graph.input('x'), 'by_row'), graph.input('rows', 'int32')], { attributes: { axis: 0 } })
  return DeviceSession.create(emit({ y: reshape(selected, 'shape') }), ['y'])
}

function releaseAll(tensors: Kept | undefined): void {
  for (const tensor of tensors?.values() ?? []) tensor.release()
}
