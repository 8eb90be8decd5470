import { architectureOf, embeddingName } from '@plumbline/transformer'
import type { Emitted } from '../graph/emit'
import { segmentFactors, segmentParameters, traceSegment, type Segment, type SegmentGraph } from './segment-graph'
import { frozenIn, keptInputOf, type Traced } from './tracing'

export type SegmentStage = 'forward' | 'forwardKeeping' | 'backward' | 'backwardToInput'

interface Releasable {
  release(): Promise<void>
}

interface Compiler<Run> {
  compile(model: Emitted): Promise<Run>
}

/** A segment of the model as a program runs it. */
export interface ProgramSegment<Run> {
  readonly graph: SegmentGraph
  /** Compiled by the first who asks, and shared by segments of one kind. Until another is asked for `alone`. */
  session(stage: SegmentStage, alone: boolean): Promise<Run>
  /** What this segment's parameters, factors and masks are called in its graph, by that name: it is traced for the first layer of its kind. */
  readonly ownNames: ReadonlyMap<string, string>
}

/**
 * The model in segments, for one attention layout: the embedding, its layers, the head. Layers that compute the same share one graph and its
 * sessions, which are fed each layer's own weights; a family's kinds of layers (windows, rotary tables, the last layer, which gives only what
 * the head reads) have one each.
 */
export class LayerProgram<Run extends Releasable> {
  readonly segments: readonly ProgramSegment<Run>[]
  /** The lowest segment with a parameter that is trained: what is below is not differentiated. The number of segments where nothing is. */
  readonly lowest: number
  private readonly shared = new Map<Segment, SharedGraph<Run>>()

  constructor(traced: Traced, compiler: Compiler<Run>) {
    const layers = Array.from({ length: traced.config.layers }, (_, layer) => layer)
    const firstOf = new Map<string, number>()
    const segmentOf = (segment: Segment, kind: Segment): ProgramSegment<Run> => {
      const shared = this.shared.get(kind) ?? new SharedGraph<Run>(traceSegment(traced, kind), compiler)
      this.shared.set(kind, shared)
      const session = async (stage: SegmentStage, alone: boolean) => {
        // A session keeps the most memory that it ever took.
        if (alone) for (const other of this.shared.values()) await other.release(other === shared ? stage : undefined)
        return shared.session(stage)
      }
      return { graph: shared.graph, session, ownNames: namesOf(traced, segment, kind) }
    }
    const layerSegments = layers.map((layer) => {
      const kind = kindOf(traced, layer)
      if (!firstOf.has(kind)) firstOf.set(kind, layer)
      return segmentOf(layer, firstOf.get(kind)!)
    })
    this.segments = [segmentOf('embedding', 'embedding'), ...layerSegments, segmentOf('head', 'head')]
    const frozen = frozenIn(traced)
    const { positions } = architectureOf(traced.config).names
    const trainsTable = [embeddingName(traced.config), positions].some((name) => name !== undefined && !frozen.has(name))
    const trains = this.segments.map(({ graph }, i) => (i === 0 ? trainsTable : graph.inGraph.length > 0))
    this.lowest = trains.includes(true) ? trains.indexOf(true) : this.segments.length
  }

  /** Graphs that were traced: fewer than segments where layers are alike. */
  get graphs(): number {
    return this.shared.size
  }

  async release(): Promise<void> {
    for (const shared of this.shared.values()) await shared.release()
  }
}

class SharedGraph<Run extends Releasable> {
  private readonly sessions = new Map<SegmentStage, Promise<Run>>()

  constructor(
    readonly graph: SegmentGraph,
    private readonly compiler: Compiler<Run>,
  ) {}

  session(stage: SegmentStage): Promise<Run> {
    let session = this.sessions.get(stage)
    if (!session) this.sessions.set(stage, (session = this.compiler.compile(this.graph[stage]())))
    return session
  }

  async release(except?: SegmentStage): Promise<void> {
    for (const [stage, session] of [...this.sessions]) {
      if (stage === except) continue
      this.sessions.delete(stage)
      await (await session).release()
    }
  }
}

/** Layers of which this says the same have one graph. */
function kindOf(traced: Traced, layer: number): string {
  const { config, adapter, typeOf = () => 'float32' } = traced
  const frozen = frozenIn(traced)
  const parameters = architectureOf(config)
    .layerParameters(config, layer)
    .map(({ name, shape }) => [shape, typeOf(name), frozen.has(name), adapter?.modules.has(name.replace(/\.weight$/, '')) ?? false])
  return JSON.stringify([config.attention[layer], layer === config.layers - 1, parameters])
}

function namesOf(traced: Traced, segment: Segment, kind: Segment): Map<string, string> {
  const all = (of: Segment) => {
    const parameters = segmentParameters(traced, of)
    const masks = parameters.map((name) => keptInputOf(name.replace(/\.weight$/, '')))
    return [...parameters, ...segmentFactors(traced, of), ...masks]
  }
  if (segment === kind) return new Map()
  const own = all(segment)
  return new Map(all(kind).map((name, i) => [name, own[i]!]))
}
