import { rowKeys, type PackedBatch, type PackedGroup } from '@plumbline/transformer'
import type { AttentionLayout } from '../graph/attention-layout'
import type { Held } from '../runtime/held'
import type { Feeds } from '../runtime/session'
import { planBlocks } from './attention-blocks'
import type { LiveBatch, Pending } from './live-rows'
import { keysOf, type FrozenWeights, type ModelFeeds, type PassWeights, type Releasable } from './model-feeds'
import type { PlacedStore, Shapes } from './place'
import { Program } from './program'
import { COTANGENT } from './tracing'

/** A forward pass, as its backward pass wants it. */
interface WholePass<Run extends Releasable> {
  readonly batch: PackedBatch
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

/** Passes through the whole model at once. */
export class WholePasses<Tensor, Store extends PlacedStore<Tensor>, Run extends Releasable> {
  /** By mode, and by whether weights are fed as 16 bits. */
  private readonly programs = new Map<string, Map<AttentionLayout, Program<Run>>>()

  constructor(private readonly model: ModelFeeds<Tensor, Store, Run>) {}

  /** Compiles what a step of short sequences runs, with or without kept activations. */
  async compile(keep: boolean): Promise<void> {
    const program = this.program(this.model.place.usualLayout, this.model.training())
    await Promise.all([
      program.session(keep ? 'forwardKeeping' : 'forward'),
      program.session(keep ? 'backwardFromKept' : 'backwardRecomputing'),
    ])
  }

  async logProbs(batch: PackedBatch, frozen?: FrozenWeights<Tensor>): Promise<Float32Array> {
    const { model } = this
    const blocks = model.place.blocks(batch)
    const scoring = model.scoring(frozen)
    const program = this.program(blocks.layout, scoring)
    const feeds = model.feeds(await model.describe(batch, blocks), scoring.weights)
    const { logProbs } = await model.place.score(await program.session('forward'), feeds, batch.scoredIds.length, {})
    return logProbs
  }

  async forward(groups: readonly PackedGroup[], batch: PackedBatch, keep: boolean) {
    const { model } = this
    const blocks = model.place.blocks(batch)
    const { layout } = blocks
    const program = this.program(layout, model.training())
    const described = await model.describe(batch, blocks)
    const keys = program.dropped.length > 0 ? rowKeys(groups, batch) : undefined
    const feeds = { ...model.feeds(described), ...model.masks(program.dropped, batch, keys) }
    const session = await program.session(keep ? 'forwardKeeping' : 'forward')
    const { logProbs, kept } = await model.place.score(session, feeds, batch.scoredIds.length, keep ? keptShapes(program, batch) : {})
    const pass = { batch, described, program, layout, kept: keep ? kept : undefined, keys }
    const pending: Pending = {
      groups,
      batch,
      addGradients: (live) => this.addGradients(pass, live),
      release: () => pass.kept?.release(),
    }
    return { logProbs, pending }
  }

  async release(): Promise<void> {
    for (const programs of this.programs.values()) for (const program of programs.values()) await program.release()
    this.programs.clear()
  }

  private async addGradients(pass: WholePass<Run>, live: LiveBatch): Promise<void> {
    const { model } = this
    const { place } = model
    const { batch, cotangents } = live
    const { program } = pass
    const isWhole = batch === pass.batch
    const selected = pass.kept && !isWhole ? await place.select(pass.kept, program.residuals, live) : undefined
    try {
      const session = await program.session(pass.kept ? 'backwardFromKept' : 'backwardRecomputing')
      const feeds = async () => ({
        ...model.feeds(isWhole ? pass.described : await model.describe(batch, planBlocks(batch, pass.layout))),
        ...place.cotangentFeeds(batch, cotangents),
        [COTANGENT]: { data: cotangents, dims: [cotangents.length] },
        ...model.masks(program.dropped, batch, pass.keys && keysOf(pass.keys, live)),
        ...(selected ?? pass.kept)?.feeds,
      })
      await place.differentiate(session, { store: model.trained, live, inGraph: program.inGraph, feeds })
    } finally {
      selected?.release()
    }
  }

  private program(layout: AttentionLayout, weights: PassWeights<Tensor>): Program<Run> {
    const { key, traced } = this.model.traced(weights)
    const programs = this.programs.get(key) ?? new Map<AttentionLayout, Program<Run>>()
    this.programs.set(key, programs)
    const program = programs.get(layout) ?? new Program({ ...traced, layout }, this.model.place)
    programs.set(layout, program)
    return program
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
