import {
  architectureOf,
  embeddingName,
  headName,
  packGroups,
  rowKeys,
  positionsOf,
  type AdapterShape,
  type ModelConfig,
  type PackedBatch,
  type PackedGroup,
} from '@plumbline/transformer'
import { PLAIN, type AttentionLayout } from '../graph/attention-layout'
import { headParts } from './head-feeds'
import { RopeTables } from '../runtime/rope-tables'
import type { HeldTensor, HeldWeights } from '../runtime/held-tensor'
import { Scratch } from '../runtime/scratch'
import type { HostTensor, SessionSettings } from '../runtime/session'
import { attentionBlocks, planBlocks, type AttentionBlocks } from './attention-blocks'
import { batchFeeds } from './batch-feeds'
import { differentiateOldest, selectRows, type ForwardPass, type LiveBatch } from './live-rows'
import type { HostAdapter } from './host-adapter'
import { ParameterStore } from './parameters'
import { Program } from './program'
import { COTANGENT, EMBEDDING_ROWS, gradientOf, HEAD_FACTORS, HEAD_ROWS, LOG_PROBS, sumOf } from './training-graph'
import { tensorNamed } from '../runtime/tensor-named'

type Feeds = Record<string, HostTensor>

/** A forward pass that waits for its cotangents. */
interface Pending extends ForwardPass {
  /** What describes the batch to the graph. */
  readonly described: Feeds
  /** What traced it: kept activations belong to its graph. */
  readonly program: Program
  readonly layout: AttentionLayout
  /** Kept activations, and how to give their memory back; absent when they are computed again. */
  readonly kept?: { readonly feeds: Feeds; readonly give: () => void }
  /** Of its rows, where inputs are dropped. */
  readonly keys?: Uint32Array
}

/** Weights as they were, and the adapter whose factors are among them. */
export interface FrozenWeights {
  readonly weights: HeldWeights
  readonly adapter?: AdapterShape
}

/** A model's own weights: those that may be trained, or those that are not. */
type OwnWeights = ParameterStore | { readonly weights: HeldWeights }

/** `plain`: the model alone; `adapted`: with factors beside it; `dropping`: their inputs dropped in part. */
type Mode = 'plain' | 'adapted' | 'dropping'

/** Scores and differentiates packed batches, and adds the gradients up in the parameter store. */
export class Trainer {
  /** By mode, and by whether weights are fed as 16 bits. */
  private readonly programs = new Map<string, Map<AttentionLayout, Program>>()
  private readonly tables: RopeTables
  private readonly keptMemory = new Scratch()
  private readonly rowMemory = new Scratch()
  private pending: Pending[] = []

  constructor(
    private readonly config: ModelConfig,
    private readonly own: OwnWeights,
    private readonly settings: SessionSettings,
    /** Whose factors stand beside the weights. */
    private adapter?: HostAdapter,
  ) {
    this.tables = new RopeTables(config)
  }

  /** From now on an adapter's factors are trained, and nothing else. */
  adapt(adapter: HostAdapter): void {
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
  async logProbs(groups: readonly PackedGroup[], frozen?: FrozenWeights): Promise<Float32Array> {
    const batch = packGroups(groups)
    const blocks = attentionBlocks(batch, this.config.heads)
    const { weights, adapter } = frozen ?? { weights: this.today, adapter: this.adapter?.shape }
    const program = this.program(blocks.layout, adapter ? 'adapted' : 'plain', weights, adapter)
    const out = await program.run('forward', this.feeds(this.describe(batch, blocks), weights), logProbsOf(batch))
    return tensorNamed(out, LOG_PROBS).data as Float32Array
  }

  /** The same, remembered for a later `backward`; several may wait, first in, first out. */
  async forward(groups: readonly PackedGroup[], keep: boolean): Promise<Float32Array> {
    const batch = packGroups(groups)
    const blocks = attentionBlocks(batch, this.config.heads)
    const { layout } = blocks
    const program = this.program(layout, this.trainingMode)
    const described = this.describe(batch, blocks)
    const kept = keep ? this.placesToKeep(program, batch) : undefined
    const into = { ...logProbsOf(batch), ...kept?.feeds }
    const keys = program.dropped.length > 0 ? rowKeys(groups, batch) : undefined
    const feeds = { ...this.feeds(described), ...this.masks(program, batch, keys) }
    const out = await program.run(keep ? 'forwardKeeping' : 'forward', feeds, into)
    this.pending.push({ groups, batch, described, program, layout, kept, keys })
    return tensorNamed(out, LOG_PROBS).data as Float32Array
  }

  /** Adds the gradient of Σ cotangent · log-prob for the oldest waiting forward pass. */
  backward(cotangents: Float32Array): Promise<void> {
    return differentiateOldest(
      this.pending,
      cotangents,
      (pending, live) => this.addGradients(pending, live),
      ({ kept }) => kept?.give(),
    )
  }

  private async addGradients(pending: Pending, live: LiveBatch): Promise<void> {
    // The first time this makes room for them, which moves the weights that are fed below.
    const gradients = this.gradients()
    const { batch } = live
    const { program } = pending
    const isWhole = batch === pending.batch
    const feeds = this.feeds(isWhole ? pending.described : this.describe(batch, planBlocks(batch, pending.layout)))
    feeds[COTANGENT] = { data: live.cotangents, dims: [live.cotangents.length] }
    Object.assign(feeds, this.masks(program, batch, pending.keys && keysOf(pending.keys, live)))
    if (pending.kept) Object.assign(feeds, isWhole ? pending.kept.feeds : selectKept(pending.kept.feeds, program, live))
    const width = this.config.hiddenSize
    const embedding = this.gradientOf(embeddingName(this.config))
    const positions = this.gradientOf(architectureOf(this.config).names.positions)
    const head = this.gradientOf(headName(this.config))
    const hasRows = embedding !== undefined || positions !== undefined
    const isBent = head !== undefined && this.config.logitsSoftcap !== undefined
    const scored = batch.scoredIds.length
    const { parts, give } = this.rowMemory.take([hasRows ? batch.rows * width : 0, head ? batch.tailRows * width : 0, isBent ? scored : 0])
    const [embeddingRows, headRows, headFactors] = parts
    const into: Feeds = {}
    if (hasRows) into[EMBEDDING_ROWS] = { data: embeddingRows!, dims: [batch.rows, width] }
    if (head) into[HEAD_ROWS] = { data: headRows!, dims: [batch.tailRows, width] }
    if (isBent) into[HEAD_FACTORS] = { data: headFactors!, dims: [scored] }
    const inGraph = new Set(program.inGraph)
    for (const [name, { data, dims }] of gradients) {
      if (!inGraph.has(name)) continue
      // Read and written in the same buffer: the running sum never moves.
      feeds[sumOf(name)] = into[gradientOf(name)] = { data, dims }
    }
    await program.run(pending.kept ? 'backwardFromKept' : 'backwardRecomputing', feeds, into)
    if (embedding) addRows(embedding, width, batch.tokens, embeddingRows!)
    if (positions) addRows(positions, width, batch.positions, embeddingRows!)
    if (head) addRows(head, width, batch.scoredIds, headRows!, batch.scoredRows, isBent ? headFactors! : live.cotangents)
    give()
  }

  /** Forgets waiting forward passes and accumulated gradients. */
  drop(): void {
    for (const { kept } of this.pending) kept?.give()
    this.pending = []
    if (this.adapter !== undefined || this.own instanceof ParameterStore) this.trained.clearGradients()
  }

  async release(): Promise<void> {
    for (const programs of this.programs.values()) for (const program of programs.values()) await program.release()
    this.programs.clear()
    this.keptMemory.clear()
    this.rowMemory.clear()
  }

  private get trained(): ParameterStore {
    if (this.adapter) return this.adapter.store
    if (this.own instanceof ParameterStore) return this.own
    throw new Error('These weights are not trained')
  }

  private get today(): HeldWeights {
    return this.adapter ? new Map<string, HeldTensor>([...this.own.weights, ...this.adapter.store.weights]) : this.own.weights
  }

  private get trainingMode(): Mode {
    if (this.adapter === undefined) return 'plain'
    return this.adapter.shape.dropout > 0 ? 'dropping' : 'adapted'
  }

  private program(layout: AttentionLayout, mode: Mode, weights = this.today, shape = this.adapter?.shape): Program {
    const typeOf = (name: string) => weights.get(name)?.half ?? 'float32'
    // A snapshot's weights may be held as they are stored while today's have become float32.
    const key = `${mode}:${[...weights.values()].some(({ half }) => half !== undefined)}`
    const programs = this.programs.get(key) ?? new Map<AttentionLayout, Program>()
    this.programs.set(key, programs)
    const adapter = mode === 'plain' || shape === undefined ? undefined : { ...shape, drops: mode === 'dropping' }
    const frozen = this.own instanceof ParameterStore ? this.own.frozen : new Set<string>()
    const program = programs.get(layout) ?? new Program({ config: this.config, layout, frozen, adapter, typeOf }, this.settings)
    programs.set(layout, program)
    return program
  }

  /** Which inputs are dropped follows from the rows and the step, so that a backward pass draws what its forward pass drew. */
  private masks({ dropped }: Program, batch: PackedBatch, keys: Uint32Array | undefined): Feeds {
    return keys && this.adapter ? this.adapter.masks(dropped, batch, keys) : {}
  }

  private describe(batch: PackedBatch, blocks: AttentionBlocks): Feeds {
    return { ...batchFeeds(batch, blocks, this.config), ...this.tables.upTo(positionsOf(batch)) }
  }

  private feeds(described: Feeds, weights: HeldWeights = this.today): Feeds {
    const feeds: Feeds = { ...described }
    for (const [name, { shape, data }] of weights) feeds[name] = { data, dims: shape }
    Object.assign(feeds, Object.fromEntries(headParts(this.config, tensorNamed(feeds, headName(this.config)))))
    return feeds
  }

  /** Where a pass writes what it keeps. */
  private placesToKeep(program: Program, batch: PackedBatch) {
    const shapes = program.residuals.map(({ width, split, tail }) => [(tail ? batch.tailRows : batch.rows) * split, width / split])
    const { parts, give } = this.keptMemory.take(shapes.map(([rows, width]) => rows! * width!))
    const feeds: Feeds = {}
    for (const [i, { value }] of program.residuals.entries()) feeds[value.name] = { data: parts[i]!, dims: shapes[i]! }
    return { feeds, give }
  }

  /** Running gradients by name, with those of the head's parts as views. */
  private gradients(): [string, HostTensor][] {
    const all = this.trained.parameters.map(({ name, shape, gradient }): [string, HostTensor] => [name, { data: gradient, dims: shape }])
    const head = all.find(([name]) => name === headName(this.config))
    return head ? [...all, ...headParts(this.config, head[1])] : all
  }

  /** Undefined where it is frozen, or where there is none. */
  private gradientOf(parameter: string | undefined): Float32Array | undefined {
    return this.trained.parameters.find(({ name }) => name === parameter)?.gradient
  }
}

/**
 * Adds to row ids[i] of a table the row `rowOf[i]` times `factors[i]`, or row i as it is. One after the other, so the sum has the same
 * bits whatever the threads do.
 */
function addRows(
  table: Float32Array,
  width: number,
  ids: Int32Array,
  rows: Float32Array,
  rowOf?: Int32Array,
  factors?: Float32Array,
): void {
  for (const [i, id] of ids.entries()) {
    const target = id * width
    const source = (rowOf ? rowOf[i]! : i) * width
    const factor = factors ? factors[i]! : 1
    for (let j = 0; j < width; j++) table[target + j]! += factor * rows[source + j]!
  }
}

function logProbsOf(batch: PackedBatch): Feeds {
  const count = batch.scoredIds.length
  return { [LOG_PROBS]: { data: new Float32Array(count), dims: [count] } }
}

/** Keys of the rows that are still alive. */
function keysOf(keys: Uint32Array, { sourceRows }: LiveBatch): Uint32Array {
  const live = new Uint32Array(2 * sourceRows.length)
  for (const [row, source] of sourceRows.entries()) live.set(keys.subarray(2 * source, 2 * source + 2), 2 * row)
  return live
}

/** Of what the forward pass kept, the rows that are still alive. */
function selectKept(kept: Feeds, program: Program, { sourceRows, sourceTailRows }: LiveBatch): Feeds {
  const feeds: Feeds = {}
  for (const { value, width, split, tail } of program.residuals) {
    const sources = tail ? sourceTailRows : sourceRows
    const data = selectRows(tensorNamed(kept, value.name).data as Float32Array, width, sources)
    feeds[value.name] = { data, dims: [sources.length * split, width / split] }
  }
  return feeds
}
