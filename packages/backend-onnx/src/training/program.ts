import type { DroppedInput, Residual } from '../graph/scoring-ops'
import type { Emitted } from '../graph/emit'
import type { Device } from '../graph/graph'
import type { Traced } from './tracing'
import { traceTraining, type TrainingGraph } from './training-graph'

export type Stage = 'forward' | 'forwardKeeping' | 'backwardFromKept' | 'backwardRecomputing'

/** Makes sessions for graphs of one device. */
interface Compiler<Run> {
  readonly device: Device
  compile(model: Emitted): Promise<Run>
}

/** The model's training graph for one attention layout, with the sessions made from it when they are first needed. */
export class Program<Run extends { release(): Promise<void> }> {
  private readonly graph: TrainingGraph
  private readonly sessions = new Map<Stage, Promise<Run>>()

  constructor(
    traced: Traced,
    private readonly compiler: Compiler<Run>,
  ) {
    this.graph = traceTraining(traced, compiler.device)
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

  /** Compiled by the first who asks. */
  session(stage: Stage): Promise<Run> {
    let session = this.sessions.get(stage)
    if (!session) this.sessions.set(stage, (session = this.compiler.compile(this.graph[stage]())))
    return session
  }

  async release(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release()
    this.sessions.clear()
  }
}
