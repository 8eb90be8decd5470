import {
  packGroups,
  rowKeys,
  positionsOf,
  type AdapterShape,
  type ModelConfig,
  type PackedBatch,
  type PackedGroup,
} from '@plumbline/transformer'
import { PLAIN, type AttentionLayout } from '../graph/attention-layout'
import type { Held } from '../runtime/held'
import { RopeTables } from '../runtime/rope-tables'
import type { Feeds } from '../runtime/session'
import type { AdapterFactors } from './adapter-factors'
import { planBlocks, type AttentionBlocks } from './attention-blocks'
import { batchFeeds } from './batch-feeds'
import { differentiateOldest, type ForwardPass, type LiveBatch } from './live-rows'
import type { Place, PlacedStore, Shapes } from './place'
import { Program } from './program'
import { COTANGENT } from './training-graph'

/** A forward pass that waits for its cotangents. */
interface Pending<Run extends Releasable> extends ForwardPass {
  /** What describes the batch to the graph. */
  readonly described: Feeds
  /** What traced it: kept activations belong to its graph. */
  readonly program: Program<Run>
  readonly layout: AttentionLayout
  /** Kept activations; absent when they are computed again. */
  readonly kept?: Held
  /** Of its rows, where inputs are dropped. */
  readonly keys?: Uint32Array
}

interface Releasable {
  release(): Promise<void>
}

/** Weights as they were, and the adapter whose factors are among them. */
export interface FrozenWeights<Tensor> {
  readonly weights: ReadonlyMap<string, Tensor>
  readonly adapter?: AdapterShape
}

/** A model's own weights: those that may be trained, or those that are not. */
type OwnWeights<Tensor, Store extends PlacedStore<Tensor>> = Store | { readonly weights: ReadonlyMap<string, Tensor> }

function isStore<Tensor, Store extends PlacedStore<Tensor>>(own: OwnWeights<Tensor, Store>): own is Store {
  return 'clearGradients' in own
}

/** `plain`: the model alone; `adapted`: with factors beside it; `dropping`: their inputs dropped in part. */
type Mode = 'plain' | 'adapted' | 'dropping'

/**
 * Scores and differentiates packed batches, and adds the gradients up in the parameter store. Token ids and cotangents go in, log-probs come
 * out; weights, activations and gradients stay in their place.
 */
export class Trainer<Tensor, Store extends PlacedStore<Tensor>, Run extends Releasable> {
  /** By mode, and by whether weights are fed as 16 bits. */
  private readonly programs = new Map<string, Map<AttentionLayout, Program<Run>>>()
  private readonly tables: RopeTables
  private pending: Pending<Run>[] = []

  constructor(
    private readonly config: ModelConfig,
    private readonly own: OwnWeights<Tensor, Store>,
    private readonly place: Place<Tensor, Store, Run>,
    /** Whose factors stand beside the weights. */
    private adapter?: AdapterFactors<Store>,
  ) {
    this.tables = new RopeTables(config, place.hold)
  }

  /** From now on an adapter's factors are trained, and nothing else. */
  adapt(adapter: AdapterFactors<Store>): void {
    this.adapter = adapter
  }

  /** Compiles what a step of short sequences runs, with or without kept activations: the first step need not wait for it. */
  async compile(keep: boolean): Promise<void> {
    const program = this.program(PLAIN, this.trainingMode)
    await Promise.all([
      program.session(keep ? 'forwardKeeping' : 'forward'),
      program.session(keep ? 'backwardFromKept' : 'backwardRecomputing'),
    ])
  }

  /** Log-probs of every token of every completion, in order. */
  async logProbs(groups: readonly PackedGroup[], frozen?: FrozenWeights<Tensor>): Promise<Float32Array> {
    const batch = packGroups(groups)
    const blocks = this.place.blocks(batch)
    const { weights, adapter } = frozen ?? { weights: this.today, adapter: this.adapter?.shape }
    const program = this.program(blocks.layout, adapter ? 'adapted' : 'plain', weights, adapter)
    const feeds = this.feeds(await this.describe(batch, blocks), weights)
    const { logProbs } = await this.place.score(await program.session('forward'), feeds, batch.scoredIds.length, {})
    return logProbs
  }

  /** The same, remembered for a later `backward`; several may wait, first in, first out. */
  async forward(groups: readonly PackedGroup[], keep: boolean): Promise<Float32Array> {
    const batch = packGroups(groups)
    const blocks = this.place.blocks(batch)
    const { layout } = blocks
    const program = this.program(layout, this.trainingMode)
    const described = await this.describe(batch, blocks)
    const keys = program.dropped.length > 0 ? rowKeys(groups, batch) : undefined
    const feeds = { ...this.feeds(described), ...this.masks(program, batch, keys) }
    const session = await program.session(keep ? 'forwardKeeping' : 'forward')
    const { logProbs, kept } = await this.place.score(session, feeds, batch.scoredIds.length, keep ? keptShapes(program, batch) : {})
    this.pending.push({ groups, batch, described, program, layout, kept: keep ? kept : undefined, keys })
    return logProbs
  }

  /** Adds the gradient of Σ cotangent · log-prob for the oldest waiting forward pass. */
  backward(cotangents: Float32Array): Promise<void> {
    return differentiateOldest(
      this.pending,
      cotangents,
      (pending, live) => this.addGradients(pending, live),
      ({ kept }) => kept?.release(),
    )
  }

  private async addGradients(pending: Pending<Run>, live: LiveBatch): Promise<void> {
    const { batch, cotangents } = live
    const { program } = pending
    const isWhole = batch === pending.batch
    const selected = pending.kept && !isWhole ? await this.place.select(pending.kept, program.residuals, live) : undefined
    try {
      const session = await program.session(pending.kept ? 'backwardFromKept' : 'backwardRecomputing')
      const feeds = async () => ({
        ...this.feeds(isWhole ? pending.described : await this.describe(batch, planBlocks(batch, pending.layout))),
        ...this.place.extraFeeds(batch, cotangents),
        [COTANGENT]: { data: cotangents, dims: [cotangents.length] },
        ...this.masks(program, batch, pending.keys && keysOf(pending.keys, live)),
        ...(selected ?? pending.kept)?.feeds,
      })
      await this.place.differentiate(session, { store: this.trained, live, inGraph: program.inGraph, feeds })
    } finally {
      selected?.release()
    }
  }

  /** Forgets waiting forward passes and accumulated gradients. */
  drop(): void {
    for (const { kept } of this.pending) kept?.release()
    this.pending = []
    if (this.adapter !== undefined || isStore(this.own)) this.trained.clearGradients()
  }

  /** Gives back what is only held to be used again, where no pass waits. */
  async spare(): Promise<void> {
    if (this.pending.length === 0) await this.place.release()
  }

  async release(): Promise<void> {
    for (const programs of this.programs.values()) for (const program of programs.values()) await program.release()
    this.programs.clear()
    this.tables.release()
    await this.place.release()
  }

  private get trained(): Store {
    if (this.adapter) return this.adapter.store
    if (isStore(this.own)) return this.own
    throw new Error('These weights are not trained')
  }

  private get today(): ReadonlyMap<string, Tensor> {
    return this.adapter ? new Map([...this.own.weights, ...this.adapter.store.weights]) : this.own.weights
  }

  private get trainingMode(): Mode {
    if (this.adapter === undefined) return 'plain'
    return this.adapter.shape.dropout > 0 ? 'dropping' : 'adapted'
  }

  private program(layout: AttentionLayout, mode: Mode, weights = this.today, shape = this.adapter?.shape): Program<Run> {
    const typeOf = (name: string) => {
      const tensor = weights.get(name)
      return tensor === undefined ? 'float32' : this.place.typeOf(tensor)
    }
    // A snapshot's weights may be held as they are stored while today's have become float32.
    const key = `${mode}:${[...weights.values()].some((tensor) => this.place.typeOf(tensor) !== 'float32')}`
    const programs = this.programs.get(key) ?? new Map<AttentionLayout, Program<Run>>()
    this.programs.set(key, programs)
    const adapter = mode === 'plain' || shape === undefined ? undefined : { ...shape, drops: mode === 'dropping' }
    const frozen = isStore(this.own) ? this.own.frozen : new Set<string>()
    const program = programs.get(layout) ?? new Program({ config: this.config, layout, frozen, adapter, typeOf }, this.place)
    programs.set(layout, program)
    return program
  }

  /** Which inputs are dropped follows from the rows and the step, so that a backward pass draws what its forward pass drew. */
  private masks({ dropped }: Program<Run>, batch: PackedBatch, keys: Uint32Array | undefined): Feeds {
    return keys && this.adapter ? this.adapter.masks(dropped, batch, keys) : {}
  }

  private async describe(batch: PackedBatch, blocks: AttentionBlocks): Promise<Feeds> {
    return { ...batchFeeds(batch, blocks, this.config), ...this.place.extraFeeds(batch), ...(await this.tables.upTo(positionsOf(batch))) }
  }

  private feeds(described: Feeds, weights: ReadonlyMap<string, Tensor> = this.today): Feeds {
    return { ...described, ...this.place.feeds(weights) }
  }
}

/** Of what a pass keeps. */
function keptShapes({ residuals }: Program<Releasable>, batch: PackedBatch): Shapes {
  const shapes = residuals.map(({ value, width, split, tail }): [string, readonly number[]] => [
    value.name,
    [(tail ? batch.tailRows : batch.rows) * split, width / split],
  ])
  return Object.fromEntries(shapes)
}

/** Keys of the rows that are still alive. */
function keysOf(keys: Uint32Array, { sourceRows }: LiveBatch): Uint32Array {
  const live = new Uint32Array(2 * sourceRows.length)
  for (const [row, source] of sourceRows.entries()) live.set(keys.subarray(2 * source, 2 * source + 2), 2 * row)
  return live
}
