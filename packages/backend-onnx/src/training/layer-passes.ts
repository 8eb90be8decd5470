import { rowKeys, type PackedBatch, type PackedGroup } from '@plumbline/transformer'
import type { DroppedInput, Residual } from '../graph/scoring-ops'
import type { Feeds, HostTensor } from '../runtime/session'
import { tensorNamed } from '../runtime/tensor-named'
import { planBlocks, type AttentionBlocks } from './attention-blocks'
import { LayerProgram, type ProgramSegment } from './layer-program'
import { selectRows, type LiveBatch, type Pending } from './live-rows'
import { keysOf, type FrozenWeights, type ModelFeeds, type PassWeights, type Releasable } from './model-feeds'
import type { Layerwise, PlacedStore, Room, Shapes } from './place'
import { INPUT_COTANGENT, OUTPUT_COTANGENT, SEGMENT_INPUT, SEGMENT_OUTPUT } from './segment-graph'
import { COTANGENT, LOG_PROBS } from './tracing'

/** A packed batch on its way through the layers. */
interface LayerBatch<Run extends Releasable> {
  readonly program: LayerProgram<Run>
  readonly batch: PackedBatch
  /** What describes the batch, and the weights by their own names; they move once training begins. */
  feeds(): Feeds
  /** Which inputs of these modules are kept; nothing where none are dropped. */
  masks(dropped: readonly DroppedInput[]): Feeds
}

const outputOf = (segment: number) => `output_${segment}`
const keptOf = (segment: number, { value }: Residual) => `${segment}:${value.name}`
/** Two stretches of [rows, d]: what is read and written by turns where nothing is kept. */
const turn = (segment: number) => `turn_${segment % 2}`

/**
 * Forward and backward passes one layer after the other (activation checkpointing, arXiv:1604.06174): each layer's input is kept, and the
 * result of its attention; what else its backward pass wants is computed again from these, one layer at a time.
 */
export class LayerPasses<Tensor, Store extends PlacedStore<Tensor>, Run extends Releasable> {
  private readonly programs = new Map<string, LayerProgram<Run>>()

  constructor(
    private readonly model: ModelFeeds<Tensor, Store, Run>,
    private readonly layerwise: Layerwise<Run>,
  ) {}

  async logProbs(batch: PackedBatch, frozen?: FrozenWeights<Tensor>): Promise<Float32Array> {
    const scoring = this.model.scoring(frozen)
    const { logProbs, checkpoints } = await this.through(await this.layerBatch(batch, this.layerwise.blocks(batch), () => scoring), false)
    checkpoints.release()
    return logProbs
  }

  async forward(groups: readonly PackedGroup[], batch: PackedBatch, keep: boolean) {
    const { model } = this
    const blocks = this.layerwise.blocks(batch)
    const keys = model.training().mode === 'dropping' ? rowKeys(groups, batch) : undefined
    const pass = await this.layerBatch(batch, blocks, () => model.training(), keys)
    const { logProbs, checkpoints } = await this.through(pass, keep)
    if (!keep) checkpoints.release()
    const pending: Pending = {
      groups,
      batch,
      addGradients: async (live) => {
        const own = () =>
          this.layerBatch(live.batch, planBlocks(live.batch, blocks.layout), () => model.training(), keys && keysOf(keys, live))
        const alive = live.batch === batch ? pass : await own()
        if (keep) return this.back(alive, live, checkpoints, batch)
        // Nothing waited with it: what is alive is computed again, and differentiated at once.
        const again = await this.through(alive, true)
        try {
          await this.back(alive, live, again.checkpoints, live.batch)
        } finally {
          again.checkpoints.release()
        }
      },
      release: () => {
        if (keep) checkpoints.release()
      },
    }
    return { logProbs, pending }
  }

  async release(): Promise<void> {
    for (const program of this.programs.values()) await program.release()
    this.programs.clear()
  }

  /** @param keys of the rows, where inputs are dropped. */
  private async layerBatch(
    batch: PackedBatch,
    blocks: AttentionBlocks,
    weights: () => PassWeights<Tensor>,
    keys?: Uint32Array,
  ): Promise<LayerBatch<Run>> {
    const { model } = this
    const { promptChunks, chunks } = blocks.layout
    const { key, traced } = model.traced(weights())
    const name = `${key} ${promptChunks} ${chunks}`
    const program = this.programs.get(name) ?? new LayerProgram({ ...traced, layout: blocks.layout }, this.layerwise)
    this.programs.set(name, program)
    const described = await model.describe(batch, blocks)
    return {
      program,
      batch,
      feeds: () => model.feeds(described, weights().weights),
      masks: (dropped) => model.masks(dropped, batch, keys),
    }
  }

  /**
   * @param keep whether a backward pass will follow that wants the checkpoints.
   * @returns log-probs, and what each segment gave and wants kept beside that.
   */
  private async through(pass: LayerBatch<Run>, keep: boolean): Promise<{ readonly logProbs: Float32Array; readonly checkpoints: Room }> {
    const { program, batch } = pass
    const { segments } = program
    const checkpoints = this.layerwise.room(this.shapes(pass, keep))
    const logProbs = new Float32Array(batch.scoredIds.length)
    try {
      for (const [i, segment] of segments.entries()) {
        const keeps = keep && i >= program.lowest
        const into: Record<string, HostTensor> = {}
        if (i === segments.length - 1) into[LOG_PROBS] = { data: logProbs, dims: [logProbs.length] }
        else into[SEGMENT_OUTPUT] = this.output(checkpoints, batch, i)
        if (keeps) for (const kept of segment.graph.kept) into[kept.value.name] = tensorNamed(checkpoints.feeds, keptOf(i, kept))
        const session = await segment.session(keeps ? 'forwardKeeping' : 'forward', isLong(batch))
        const input: Feeds = i === 0 ? {} : { [SEGMENT_INPUT]: this.output(checkpoints, batch, i - 1) }
        await this.layerwise.run(session, { ...feedsOf(pass, segment), ...input }, into)
      }
    } catch (error) {
      checkpoints.release()
      throw error
    }
    if (isLong(batch)) await program.release()
    return { logProbs, checkpoints }
  }

  /**
   * Adds the gradients, from the head down to the lowest segment that is trained.
   * @param pass describes what is alive.
   * @param full the batch of the checkpoints.
   */
  private async back(pass: LayerBatch<Run>, live: LiveBatch, checkpoints: Room, full: PackedBatch): Promise<void> {
    const { program, batch } = pass
    const { segments, lowest } = program
    let above: Feeds = { [COTANGENT]: { data: live.cotangents, dims: [live.cotangents.length] } }
    for (let i = segments.length - 1; i >= lowest; i--) {
      const segment = segments[i]!
      const kept: Record<string, HostTensor> = {}
      if (i > 0) kept[SEGMENT_INPUT] = this.alive(this.output(checkpoints, full, i - 1), this.inputOf(i), live, full)
      for (const one of segment.graph.kept) {
        kept[one.value.name] = this.alive(tensorNamed(checkpoints.feeds, keptOf(i, one)), one, live, full)
      }
      const below = i === lowest ? undefined : this.rowsOf(tensorNamed(checkpoints.feeds, turn(i)), this.inputRows(batch, i))
      const fed = { ...kept, ...above }
      await this.model.place.differentiate(await segment.session(below ? 'backwardToInput' : 'backward', isLong(batch)), {
        store: this.model.trained,
        live,
        inGraph: segment.graph.inGraph,
        feeds: () => Promise.resolve({ ...feedsOf(pass, segment), ...fed }),
        ownNames: segment.ownNames,
        into: below ? { [INPUT_COTANGENT]: below } : {},
      })
      if (below) above = { [OUTPUT_COTANGENT]: below }
    }
    if (isLong(batch)) await program.release()
  }

  private shapes({ program, batch }: LayerBatch<Run>, keep: boolean): Shapes {
    const shapes: Record<string, readonly number[]> = {}
    for (const i of [0, 1]) shapes[turn(i)] = [batch.rows, this.model.config.hiddenSize]
    if (!keep) return shapes
    for (const [i, { graph }] of program.segments.entries()) {
      // A segment's output is what the next one reads.
      if (i + 1 >= program.lowest && i + 1 < program.segments.length) {
        shapes[outputOf(i)] = [this.inputRows(batch, i + 1), this.model.config.hiddenSize]
      }
      if (i < program.lowest) continue
      for (const kept of graph.kept) {
        shapes[keptOf(i, kept)] = [(kept.tail ? batch.tailRows : batch.rows) * kept.split, kept.width / kept.split]
      }
    }
    return shapes
  }

  /** Where a segment's output is: of its own where it is kept. */
  private output(room: Room, batch: PackedBatch, segment: number): HostTensor {
    return room.feeds[outputOf(segment)] ?? this.rowsOf(tensorNamed(room.feeds, turn(segment)), this.inputRows(batch, segment + 1))
  }

  /** The head reads the tail alone. */
  private inputRows(batch: PackedBatch, segment: number): number {
    return segment > this.model.config.layers ? batch.tailRows : batch.rows
  }

  private inputOf(segment: number): Pick<Residual, 'width' | 'split' | 'tail'> {
    return { width: this.model.config.hiddenSize, split: 1, tail: segment > this.model.config.layers }
  }

  private rowsOf({ data }: HostTensor, rows: number): HostTensor {
    const width = this.model.config.hiddenSize
    return { data: data.subarray(0, rows * width), dims: [rows, width] }
  }

  /** Of what was kept, the rows that are still alive. */
  private alive(
    tensor: HostTensor,
    { width, split, tail }: Pick<Residual, 'width' | 'split' | 'tail'>,
    live: LiveBatch,
    full: PackedBatch,
  ) {
    if (live.batch === full) return tensor
    const sources = tail ? live.sourceTailRows : live.sourceRows
    return { data: selectRows(tensor.data as Float32Array, width, sources), dims: [sources.length * split, width / split] }
  }
}

/** Rows from which on sessions are made anew in each pass, which takes milliseconds, rather than left with hundreds of MiB each. */
const LONG = 1024

const isLong = ({ rows }: PackedBatch) => rows > LONG

/** Everything a segment may read, by the names of its graph. */
function feedsOf<Run extends Releasable>(pass: LayerBatch<Run>, { graph, ownNames }: ProgramSegment<Run>): Feeds {
  const own = (name: string) => ownNames.get(name) ?? name
  const dropped = graph.dropped.map(({ module, tail }) => ({ module: own(`${module}.weight`).replace(/\.weight$/, ''), tail }))
  const all = { ...pass.feeds(), ...pass.masks(dropped) }
  const renamed = [...ownNames].flatMap(([name, ownName]): [string, Feeds[string]][] => {
    const tensor = all[ownName]
    return tensor === undefined ? [] : [[name, tensor]]
  })
  return { ...all, ...Object.fromEntries(renamed) }
}
