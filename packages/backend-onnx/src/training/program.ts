import type { ModelConfig } from '@plumbline/transformer'
import type { AttentionLayout } from '../graph/attention-layout'
import type { DType } from '../graph/element-types'
import type { DroppedInput, Residual } from '../graph/scoring-ops'
import { Session, type HostTensor, type SessionSettings } from '../runtime/session'
import { traceTraining, type GraphAdapter, type TrainingGraph } from './training-graph'

type Feeds = Record<string, HostTensor>

export type Stage = 'forward' | 'forwardKeeping' | 'backwardFromKept' | 'backwardRecomputing'

export interface Traced {
  readonly config: ModelConfig
  readonly layout: AttentionLayout
  /** Parameters that are not trained. */
  readonly frozen: ReadonlySet<string>
  readonly adapter?: GraphAdapter
  /** What a weight is held as. */
  readonly typeOf: (parameter: string) => DType
}

/** The model's training graph for one attention layout, with the sessions made from it when they are first needed. */
export class Program {
  private readonly graph: TrainingGraph
  private readonly sessions = new Map<Stage, Promise<Session>>()

  constructor(
    { config, layout, frozen, adapter, typeOf }: Traced,
    private readonly settings: SessionSettings,
  ) {
    this.graph = traceTraining(config, layout, frozen, 'cpu', adapter, typeOf)
  }

  get residuals(): readonly Residual[] {
    return this.graph.residuals
  }

  get inGraph(): readonly string[] {
    return this.graph.inGraph
  }

  get dropped(): readonly DroppedInput[] {
    return this.graph.dropped
  }

  async run(stage: Stage, feeds: Feeds, into?: Feeds): Promise<Record<string, HostTensor>> {
    return (await this.session(stage)).run(feeds, into)
  }

  /** Compiled by the first who asks. */
  session(stage: Stage): Promise<Session> {
    let session = this.sessions.get(stage)
    if (!session) this.sessions.set(stage, (session = Session.create(this.graph[stage](), this.settings)))
    return session
  }

  async release(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release()
    this.sessions.clear()
  }
}
