import type { PackedBatch } from '@plumbline/transformer'
import type { DType } from '../graph/element-types'
import type { AttentionLayout } from '../graph/attention-layout'
import type { Emitted } from '../graph/emit'
import type { Device } from '../graph/graph'
import type { Residual } from '../graph/scoring-ops'
import type { Held } from '../runtime/held'
import type { Hold } from '../runtime/rope-tables'
import type { Feeds, HostTensor } from '../runtime/session'
import type { AttentionBlocks } from './attention-blocks'
import type { LiveBatch } from './live-rows'

/** Weights in their place and, once training begins, running gradients and AdamW's moments of those that are trained. */
export interface PlacedStore<Tensor> {
  /** AdamW steps taken. */
  readonly step: number
  /** Names of parameters that are not trained. */
  readonly frozen: ReadonlySet<string>
  /** By name, in the model's order. */
  readonly weights: ReadonlyMap<string, Tensor>
  clearGradients(): void
}

/** Shapes of tensors by name. */
export type Shapes = Readonly<Record<string, readonly number[]>>

export interface Scored {
  /** Of every scored token. */
  readonly logProbs: Float32Array
  /** The activations that were asked for. */
  readonly kept: Held
}

/** What a backward pass is run on. */
export interface Differentiation<Store> {
  /** Whose gradients are added up. */
  readonly store: Store
  readonly live: LiveBatch
  /** Trained parameters, and parts of the head, whose sums the graph reads and writes. */
  readonly inGraph: readonly string[]
  /** Asked for once the gradients have their place: that moves the weights of the host. */
  feeds(): Promise<Record<string, Feeds[string]>>
  /** What the parameters of `inGraph` are called in the store, where a graph is another layer's too. */
  readonly ownNames?: ReadonlyMap<string, string>
  /** Where further outputs are written to. */
  readonly into?: Readonly<Record<string, HostTensor>>
}

/** Arrays that are written and read until they are released. */
export interface Room {
  readonly feeds: Readonly<Record<string, HostTensor>>
  release(): void
}

/** What a place offers on top where the model can be computed one layer at a time. */
export interface Layerwise<Run> {
  /** How attention is cut into blocks for this batch. */
  blocks(batch: PackedBatch): AttentionBlocks
  /** Arrays of these shapes, with any content. */
  room(shapes: Shapes): Room
  /** Makes a session for a part of the model. */
  compile(model: Emitted): Promise<Run>
  /** Runs a graph that writes its outputs to these. */
  run(run: Run, feeds: Feeds, into: Readonly<Record<string, HostTensor>>): Promise<void>
}

/**
 * Where a model's tensors live: in the host's memory, whose arrays graphs read and write in place, or on a GPU, whose tensors never change
 * and are freed by hand. Everything else about scoring and differentiating is the same; it asks its place for what differs.
 */
export interface Place<Tensor, Store extends PlacedStore<Tensor>, Run extends { release(): Promise<void> }> {
  /** What graphs are written for. */
  readonly device: Device
  /** Holds tables that many runs read. */
  readonly hold: Hold
  /** What a tensor's numbers are held as. */
  typeOf(tensor: Tensor): DType
  /** Weights as graphs read them; until the next step. */
  feeds(weights: ReadonlyMap<string, Tensor>): Feeds
  /** The layout of most batches of short sequences. */
  readonly usualLayout: AttentionLayout
  /** How attention is cut into blocks for this batch. */
  blocks(batch: PackedBatch): AttentionBlocks
  /** Inputs of the graphs that no other place has. */
  extraFeeds(batch: PackedBatch): Readonly<Record<string, HostTensor>>
  /** What the cotangents of the scored tokens are fed as, beside themselves. */
  cotangentFeeds(batch: PackedBatch, cotangents: Float32Array): Readonly<Record<string, HostTensor>>
  compile(model: Emitted): Promise<Run>
  /** Runs a graph whose outputs are log-probs and activations of these shapes, which stay in their place. */
  score(run: Run, feeds: Feeds, scoredTokens: number, kept: Shapes): Promise<Scored>
  /** Of kept activations, the rows that are still alive. */
  select(kept: Held, residuals: readonly Residual[], live: LiveBatch): Promise<Held>
  /** Runs a backward graph and adds its gradients to the store's. */
  differentiate(run: Run, pass: Differentiation<Store>): Promise<void>
  /** Absent where a place cannot compute one layer at a time. */
  readonly layerwise?: Layerwise<Run>
  /** Gives back what is only held to be used again. */
  release(): Promise<void>
}
