import type { Config } from '../config/schema'
import type { RunEvent, StageName, StageProgress } from '../run/events'
import type { Manifest, RunStore, StageFolder, StageNotice } from '../run/store'
import type { Labeler } from '../seams/labeler'
import type { ModelFacts, ModelSource, Policy } from '../seams/policy'
import type { RunDependencies } from './dependencies'
import { judgeOf } from './data'
import { Encoder, EncodingCache } from './encoding'
import { prepareTraining, type Freezing } from './freezing'

/** A finished stage: where it lies and what it says of itself. */
export interface Finished {
  readonly folder: StageFolder
  readonly manifest: Manifest
}

export interface StageSpec {
  /** The first part of the folder's name; `stage` when absent. */
  readonly kind?: string
  readonly stage: StageName
  readonly variant?: string
  /** Everything the artifacts depend on beside code, seed and backend. */
  readonly determinedBy: unknown
}

export interface StageOutcome {
  /** Files and folders inside the stage's folder. */
  readonly artifacts: readonly string[]
  readonly summary: string
  readonly figures?: Readonly<Record<string, number>>
}

/** What a stage works with: tells progress, collects notices, marks its work as begun. */
export interface StageDesk {
  readonly folder: StageFolder
  /** To be called once, before the work, when it is known how much there is. */
  start(total: number, resumedAt?: number): void
  progress(report: Omit<StageProgress, 'type' | 'stage' | 'variant'>): void
  notice(level: StageNotice['level'], message: string): void
}

/** What all stages share during one run. */
export class StageContext {
  /** Messages of the notices of every stage, reused ones included. */
  readonly notices: string[] = []
  /** The stage at work, for messages. */
  current = ''
  /** Says which answers are right; see {@link judgeOf}. */
  readonly judge: Labeler
  private readonly encodings = new EncodingCache()

  constructor(
    readonly config: Config,
    readonly dependencies: RunDependencies,
    readonly store: RunStore,
    /** What must be equal for equal bytes: the backend, its device and options. */
    private readonly backend: unknown,
    readonly signal: AbortSignal | undefined,
    private readonly emit: (event: RunEvent) => void,
  ) {
    this.judge = judgeOf(dependencies.labeler)
  }

  /** Runs a stage, or reuses it where it is finished. */
  async run({ kind, stage, variant, determinedBy }: StageSpec, work: (desk: StageDesk) => Promise<StageOutcome>): Promise<Finished> {
    this.signal?.throwIfAborted()
    const { codeVersion: code } = this.dependencies
    const folder = await this.store.stage(kind ?? stage, variant, {
      code,
      seed: this.config.seed,
      backend: this.backend,
      ...(determinedBy as object),
    })
    const finished = await folder.finished()
    if (finished) {
      this.emit({ type: 'stage-reused', stage, variant, path: folder.path })
      for (const notice of finished.notices) this.notice(notice)
      return { folder, manifest: finished }
    }
    this.current = [stage, variant].filter(Boolean).join(' ')
    const started = performance.now()
    const notices: StageNotice[] = []
    const desk: StageDesk = {
      folder,
      start: (total, resumedAt) => this.emit({ type: 'stage-start', stage, variant, total, ...(resumedAt ? { resumedAt } : {}) }),
      progress: (report) => this.emit({ type: 'progress', stage, variant, ...report }),
      notice: (level, message) => {
        notices.push({ level, message })
        this.notice({ level, message })
      },
    }
    const { artifacts, summary, figures = {} } = await work(desk)
    const manifest = await folder.finish({ artifacts, summary, figures, notices })
    const seconds = (performance.now() - started) / 1000
    this.emit({ type: 'stage-end', stage, variant, seconds, path: folder.path, summary })
    await this.store.log({ stage, variant, seconds, summary })
    return { folder, manifest }
  }

  /** Turns this run's questions and chains into the model's tokens. */
  encoder(model: ModelFacts | Policy): Encoder {
    const facts = 'info' in model ? factsOf(model) : model
    return new Encoder(facts, (record, tokenizer) => this.dependencies.prompt(record, tokenizer), this.encodings)
  }

  /** Opens a model, lends it, and disposes it whatever happens. */
  async withPolicy<T>(source: ModelSource, use: (policy: Policy) => Promise<T>): Promise<T> {
    const { backend, openOptions } = this.dependencies
    const policy = await backend.open(source, openOptions)
    try {
      return await use(policy)
    } finally {
      await policy.dispose()
    }
  }

  /** Lends what tokenising needs of a model, which is opened only where the backend has no other way to know. */
  async withFacts<T>(source: ModelSource, use: (model: ModelFacts) => Promise<T>): Promise<T> {
    const facts = await this.dependencies.backend.inspect?.(source)
    return facts ? use(facts) : this.withPolicy(source, (policy) => use(factsOf(policy)))
  }

  /**
   * Opens a model for training while `encode` turns data into its tokens, where the backend knows them without the model; lends both to
   * `use`. A model that cannot be opened stops `encode`, and is what is reported.
   */
  async withTrainee<E, T>(
    source: ModelSource,
    freezing: Freezing | undefined,
    encode: (model: ModelFacts, signal: AbortSignal | undefined) => Promise<E>,
    use: (policy: Policy, encoded: E) => Promise<T>,
  ): Promise<T> {
    const { backend } = this.dependencies
    const facts = await backend.inspect?.(source)
    const failed = new AbortController()
    const signal = AbortSignal.any([failed.signal, ...(this.signal ? [this.signal] : [])])
    const encoding = facts && encode(facts, signal)
    // Its failure is looked at below.
    encoding?.catch(() => undefined)
    try {
      return await this.withPolicy(source, async (policy) => {
        await prepareTraining(policy, freezing)
        return use(policy, await (encoding ?? encode(factsOf(policy), this.signal)))
      })
    } catch (error) {
      failed.abort(error)
      await encoding?.catch(() => undefined)
      throw error
    }
  }

  private notice({ level, message }: StageNotice): void {
    this.notices.push(message)
    this.emit({ type: 'notice', level, message })
  }
}

function factsOf({ tokenizer, info }: Policy): ModelFacts {
  return { tokenizer, contextLength: info.contextLength }
}

/** A pace: how fast work is done, and how long the rest takes at that. */
export class Pace {
  private readonly started = performance.now()
  private tokens = 0

  constructor(
    private readonly from: number,
    private readonly total: number,
  ) {}

  /** @param tokens how many more were computed since the last call */
  at(done: number, tokens = 0): Pick<StageProgress, 'tokensPerSecond' | 'eta'> {
    this.tokens += tokens
    const seconds = (performance.now() - this.started) / 1000
    const eta = done > this.from ? (seconds / (done - this.from)) * (this.total - done) : undefined
    return { tokensPerSecond: this.tokens > 0 && seconds > 0 ? this.tokens / seconds : undefined, eta }
  }
}
