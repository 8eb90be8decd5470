import { positionsOf, type AdapterShape, type ModelConfig, type PackedBatch } from '@plumbline/transformer'
import type { DroppedInput } from '../graph/scoring-ops'
import { RopeTables } from '../runtime/rope-tables'
import type { Feeds } from '../runtime/session'
import type { AdapterFactors } from './adapter-factors'
import type { AttentionBlocks } from './attention-blocks'
import { batchFeeds } from './batch-feeds'
import type { LiveBatch } from './live-rows'
import type { Place, PlacedStore } from './place'
import type { Traced } from './tracing'

export interface Releasable {
  release(): Promise<void>
}

/** Weights as they were, and the adapter whose factors are among them. */
export interface FrozenWeights<Tensor> {
  readonly weights: ReadonlyMap<string, Tensor>
  readonly adapter?: AdapterShape
}

/** A model's own weights: those that may be trained, or those that are not. */
export type OwnWeights<Tensor, Store extends PlacedStore<Tensor>> = Store | { readonly weights: ReadonlyMap<string, Tensor> }

function isStore<Tensor, Store extends PlacedStore<Tensor>>(own: OwnWeights<Tensor, Store>): own is Store {
  return 'clearGradients' in own
}

/** `plain`: the model alone; `adapted`: with factors beside it; `dropping`: their inputs dropped in part. */
export type Mode = 'plain' | 'adapted' | 'dropping'

/** What a pass is computed with. */
export interface PassWeights<Tensor> {
  readonly mode: Mode
  readonly weights: ReadonlyMap<string, Tensor>
  readonly shape?: AdapterShape
}

/** A model's weights with the factors beside them, and what graphs are fed of them and of a packed batch. */
export class ModelFeeds<Tensor, Store extends PlacedStore<Tensor>, Run extends Releasable> {
  private readonly tables: RopeTables

  constructor(
    readonly config: ModelConfig,
    private readonly own: OwnWeights<Tensor, Store>,
    readonly place: Place<Tensor, Store, Run>,
    /** Whose factors stand beside the weights. */
    public adapter?: AdapterFactors<Store>,
  ) {
    this.tables = new RopeTables(config, place.hold)
  }

  /** Whose gradients are added up. */
  get trained(): Store {
    if (this.adapter) return this.adapter.store
    if (isStore(this.own)) return this.own
    throw new Error('These weights are not trained')
  }

  get hasTrained(): boolean {
    return this.adapter !== undefined || isStore(this.own)
  }

  /** What scores with today's weights, or with those of a snapshot. */
  scoring(frozen?: FrozenWeights<Tensor>): PassWeights<Tensor> {
    const { weights, adapter } = frozen ?? { weights: this.today, adapter: this.adapter?.shape }
    return { mode: adapter ? 'adapted' : 'plain', weights, shape: adapter }
  }

  /** What is trained on: asked for anew by each pass, since the weights move once training begins. */
  training(): PassWeights<Tensor> {
    const shape = this.adapter?.shape
    return { mode: shape === undefined ? 'plain' : shape.dropout > 0 ? 'dropping' : 'adapted', weights: this.today, shape }
  }

  /** What a graph is traced from, and what it differs by. */
  traced({ mode, weights, shape }: PassWeights<Tensor>): { readonly key: string; readonly traced: Omit<Traced, 'layout'> } {
    const typeOf = (name: string) => {
      const tensor = weights.get(name)
      return tensor === undefined ? 'float32' : this.place.typeOf(tensor)
    }
    // A snapshot's weights may be held as they are stored while today's have become float32.
    const key = `${mode}:${[...weights.values()].some((tensor) => this.place.typeOf(tensor) !== 'float32')}`
    const adapter = mode === 'plain' || shape === undefined ? undefined : { ...shape, drops: mode === 'dropping' }
    const frozen = isStore(this.own) ? this.own.frozen : new Set<string>()
    return { key, traced: { config: this.config, frozen, adapter, typeOf } }
  }

  async describe(batch: PackedBatch, blocks: AttentionBlocks): Promise<Feeds> {
    return { ...batchFeeds(batch, blocks, this.config), ...this.place.extraFeeds(batch), ...(await this.tables.upTo(positionsOf(batch))) }
  }

  feeds(described: Feeds, weights: ReadonlyMap<string, Tensor> = this.today): Feeds {
    return { ...described, ...this.place.feeds(weights) }
  }

  /**
   * Which inputs are dropped follows from the rows and the step, so that a backward pass draws what its forward pass drew.
   * @param keys of the rows, where any are dropped.
   */
  masks(dropped: readonly DroppedInput[], batch: PackedBatch, keys: Uint32Array | undefined): Feeds {
    return keys && this.adapter ? this.adapter.masks(dropped, batch, keys) : {}
  }

  release(): void {
    this.tables.release()
  }

  private get today(): ReadonlyMap<string, Tensor> {
    return this.adapter ? new Map([...this.own.weights, ...this.adapter.store.weights]) : this.own.weights
  }
}

/** Keys of the rows that are still alive. */
export function keysOf(keys: Uint32Array, { sourceRows }: LiveBatch): Uint32Array {
  const live = new Uint32Array(2 * sourceRows.length)
  for (const [row, source] of sourceRows.entries()) live.set(keys.subarray(2 * source, 2 * source + 2), 2 * row)
  return live
}
