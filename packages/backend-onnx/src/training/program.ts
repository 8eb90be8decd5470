import type { ModelConfig, PackedBatch } from '@plumbline/transformer'
import type { AttentionLayout } from '../graph/attention-layout'
import { Session, type HostTensor, type SessionSettings } from '../runtime/session'
import { traceTraining, type TrainingGraph } from './training-graph'

type Feeds = Record<string, HostTensor>

export type Stage = 'forward' | 'forwardKeeping' | 'backwardFromKept' | 'backwardRecomputing'

/** The model's training graph for one attention layout, with the sessions made from it when they are first needed. */
export class Program {
  private readonly graph: TrainingGraph
  private readonly sessions = new Map<Stage, Promise<Session>>()
  /** Width of every kept activation, and whether it has a row per packed row or per tail row; read off the first pass. */
  private keptLayout: ReadonlyMap<string, { readonly width: number; readonly tail: boolean }> | undefined

  constructor(
    config: ModelConfig,
    layout: AttentionLayout,
    private readonly settings: SessionSettings,
  ) {
    this.graph = traceTraining(config, layout)
  }

  get residuals(): readonly string[] {
    return this.graph.residuals
  }

  get inGraph(): readonly string[] {
    return this.graph.inGraph
  }

  async run(stage: Stage, feeds: Feeds, into?: Feeds): Promise<Record<string, HostTensor>> {
    let session = this.sessions.get(stage)
    if (!session) this.sessions.set(stage, (session = Session.create(this.graph[stage](), this.settings)))
    return (await session).run(feeds, into)
  }

  /** Shapes of what a pass over this batch keeps; none before `learn` has seen one. */
  kept(batch: PackedBatch): { readonly name: string; readonly rows: number; readonly width: number }[] {
    return [...(this.keptLayout ?? [])].map(([name, { width, tail }]) => ({ name, rows: tail ? batch.tailRows : batch.rows, width }))
  }

  /** Remembers the shapes of what a pass kept, unless this batch cannot tell tail rows from all rows. */
  learn(kept: Feeds, { rows, tailRows }: PackedBatch): void {
    if (rows === tailRows) return
    this.keptLayout ??= new Map(Object.entries(kept).map(([name, { dims }]) => [name, { width: dims[1], tail: dims[0] !== rows }]))
  }

  async release(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release()
    this.sessions.clear()
  }
}
