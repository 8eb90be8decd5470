import { PLAIN } from '../graph/attention-layout'
import { architectureOf, elements, embeddingName, headName, type ModelConfig, type PackedBatch } from '@plumbline/transformer'
import type { Emitted } from '../graph/emit'
import type { DType } from '../graph/element-types'
import type { Residual } from '../graph/scoring-ops'
import { inHost, type Held } from '../runtime/held'
import type { HeldTensor, HeldWeights } from '../runtime/held-tensor'
import { Scratch } from '../runtime/scratch'
import { Session, type Feeds, type HostTensor, type SessionSettings } from '../runtime/session'
import { tensorNamed } from '../runtime/tensor-named'
import { attentionBlocks, longBlocks, type AttentionBlocks } from './attention-blocks'
import { headFeeds, headParts } from './head-feeds'
import { selectRows, type LiveBatch } from './live-rows'
import type { ParameterStore } from './parameters'
import type { Differentiation, Layerwise, Place, Room, Scored, Shapes } from './place'
import { EMBEDDING_ROWS, gradientOf, HEAD_FACTORS, HEAD_ROWS, LOG_PROBS, sumOf } from './tracing'

type HostFeeds = Record<string, HostTensor>

/** The host's memory, on the CPU provider: graphs read and write arrays where they stand, and nothing is held twice. */
export class HostPlace implements Place<HeldTensor, ParameterStore, Session> {
  readonly device = 'cpu'
  private readonly keptMemory = new Scratch()
  private readonly rowMemory = new Scratch()

  constructor(
    private readonly config: ModelConfig,
    private readonly settings: SessionSettings,
  ) {}

  readonly hold = inHost
  readonly usualLayout = PLAIN

  readonly layerwise: Layerwise<Session> = {
    blocks: longBlocks,
    room: (shapes) => this.room(shapes),
    compile: (model) => Session.create(model, { ...this.settings, use: 'layer' }),
    run: async (session, feeds, into) => {
      await session.run(feeds, into)
    },
  }

  typeOf({ half }: HeldTensor): DType {
    return half ?? 'float32'
  }

  feeds(weights: HeldWeights): HostFeeds {
    const feeds = Object.fromEntries([...weights].map(([name, { shape, data }]) => [name, { data, dims: shape }]))
    return { ...feeds, ...this.headParts(feeds) }
  }

  blocks(batch: PackedBatch): AttentionBlocks {
    return attentionBlocks(batch, this.config.heads)
  }

  extraFeeds(batch: PackedBatch): HostFeeds {
    return headFeeds(batch, this.config.vocabSize)
  }

  cotangentFeeds(): HostFeeds {
    return {}
  }

  compile(model: Emitted): Promise<Session> {
    return Session.create(model, this.settings)
  }

  async score(session: Session, feeds: Feeds, scoredTokens: number, shapes: Shapes): Promise<Scored> {
    const kept = this.room(shapes)
    const into = { [LOG_PROBS]: { data: new Float32Array(scoredTokens), dims: [scoredTokens] }, ...kept.feeds }
    const out = await session.run(feeds, into)
    return { logProbs: tensorNamed(out, LOG_PROBS).data as Float32Array, kept }
  }

  select({ feeds }: Held, residuals: readonly Residual[], { sourceRows, sourceTailRows }: LiveBatch): Promise<Held> {
    const selected: HostFeeds = {}
    for (const { value, width, split, tail } of residuals) {
      const sources = tail ? sourceTailRows : sourceRows
      const data = selectRows(tensorNamed(feeds as HostFeeds, value.name).data as Float32Array, width, sources)
      selected[value.name] = { data, dims: [sources.length * split, width / split] }
    }
    return Promise.resolve(inHost(selected))
  }

  async differentiate(session: Session, pass: Differentiation<ParameterStore>): Promise<void> {
    const { store, live, inGraph, ownNames, into: others = {} } = pass
    // The first time this makes room for them, which moves the weights that are fed below.
    const gradients = this.gradients(store)
    const { batch } = live
    const feeds = { ...(await pass.feeds()) }
    const width = this.config.hiddenSize
    // The tables' rows are added here, of those whose graph returns them.
    const returns = (output: string) => session.outputs.includes(output)
    const [hasRows, hasHead, isBent] = [EMBEDDING_ROWS, HEAD_ROWS, HEAD_FACTORS].map(returns)
    const scored = batch.scoredIds.length
    const { parts, give } = this.rowMemory.take([
      hasRows ? batch.rows * width : 0,
      hasHead ? batch.tailRows * width : 0,
      isBent ? scored : 0,
    ])
    const [embeddingRows, headRows, headFactors] = parts
    const into: HostFeeds = { ...others }
    if (hasRows) into[EMBEDDING_ROWS] = { data: embeddingRows!, dims: [batch.rows, width] }
    if (hasHead) into[HEAD_ROWS] = { data: headRows!, dims: [batch.tailRows, width] }
    if (isBent) into[HEAD_FACTORS] = { data: headFactors!, dims: [scored] }
    for (const name of inGraph) {
      // Read and written in the same buffer: the running sum never moves.
      feeds[sumOf(name)] = into[gradientOf(name)] = tensorNamed(gradients, ownNames?.get(name) ?? name)
    }
    await session.run(feeds, into)
    // Undefined where one is frozen, or where there is none.
    const gradient = (parameter: string | undefined) => store.parameters.find(({ name }) => name === parameter)?.gradient
    const embedding = gradient(embeddingName(this.config))
    const positions = gradient(architectureOf(this.config).names.positions)
    if (hasRows && embedding) addRows(embedding, width, batch.tokens, embeddingRows!)
    if (hasRows && positions) addRows(positions, width, batch.positions, embeddingRows!)
    if (hasHead) {
      const head = gradient(headName(this.config))!
      addRows(head, width, batch.scoredIds, headRows!, batch.scoredRows, isBent ? headFactors! : live.cotangents)
    }
    give()
  }

  release(): Promise<void> {
    this.keptMemory.clear()
    this.rowMemory.clear()
    return Promise.resolve()
  }

  /** Running gradients by name, with those of the head's parts as views. */
  private gradients({ parameters }: ParameterStore): HostFeeds {
    const all = Object.fromEntries(parameters.map(({ name, shape, gradient }) => [name, { data: gradient, dims: shape }]))
    return { ...all, ...this.headParts(all) }
  }

  /** Views of the head's rows, one per chunk of the vocabulary, where there is a head among the tensors. */
  private headParts(tensors: HostFeeds): HostFeeds {
    const head = tensors[headName(this.config)]
    return head === undefined ? {} : Object.fromEntries(headParts(this.config, head))
  }

  /** Where a pass writes what it keeps. */
  private room(shapes: Shapes): Room {
    const entries = Object.entries(shapes)
    if (entries.length === 0) return { feeds: {}, release: () => undefined }
    const { parts, give } = this.keptMemory.take(entries.map(([, shape]) => elements(shape)))
    return { feeds: Object.fromEntries(entries.map(([name, dims], i) => [name, { data: parts[i]!, dims }])), release: give }
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
