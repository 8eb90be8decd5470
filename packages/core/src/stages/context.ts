import { setTimeout as sleep } from 'node:timers/promises'
import type { BackendCandidate, CodeIdentity, Identity, ResolvedConfig } from '../config/resolve'
import { isPlumbError, PlumbError } from '../errors'
import { renderPrompt } from '../prompt/render'
import type { RunEvent, StageName, StageProgress } from '../seams/run-events'
import { kindOf } from '../run/device-choice'
import { logSources, type SourcesEntry } from '../run/log'
import { thisMachine } from '../run/machine'
import { Spools } from '../run/spool'
import type { Manifest, RunStore, StageExample, StageFolder, StageNotice } from '../run/store'
import type { BackendProbe, BaseSource, ModelFacts, ModelSource, Policy } from '../seams/policy'
import { without } from '../util/without'
import { CORE_VERSION } from '../version'
import { Encoder, EncodingCache } from './encoding'
import { requireFitting, type MemoryReport } from './memory'
import { planOf, prepareTraining, type SectionPlan } from './training-plan'

/** A finished stage: where it lies and what it says of itself. */
export interface Finished {
  readonly folder: StageFolder
  readonly manifest: Manifest
}

/** A model as stages hand it on. */
export interface Model {
  readonly source: ModelSource
  readonly hash: string
  /** Of a model with an adapter: the model that it is on. */
  readonly base?: BaseModel
  /** Whether its files are still what was hashed. @throws PlumbError PLUMB_MODEL_CHANGED */
  verify?(): Promise<void>
}

/** A model whose weights are all its own. */
export type BaseModel = Model & { readonly source: BaseSource }

export interface StageSpec {
  readonly stage: StageName
  readonly variant?: string
  /** Everything the artifacts depend on beside code, seed and backend. */
  readonly determinedBy: object
  /** The plugins that have a hand in it, beside the backend's. */
  readonly code?: readonly CodeIdentity[]
  /** Whether the backend computes in it. */
  readonly backend: boolean
  /** The run's seed, where something is drawn. */
  readonly seed?: number
}

export interface StageOutcome {
  /** Files and folders inside the stage's folder. */
  readonly artifacts: readonly string[]
  readonly summary: string
  readonly figures?: Readonly<Record<string, number>>
  readonly examples?: Readonly<Record<string, readonly StageExample[]>>
  readonly watched?: unknown
}

/** What a stage works with: tells progress, collects notices, marks its work as begun. */
export interface StageDesk {
  readonly folder: StageFolder
  /** For what is needed while the stage works and is too much for the memory. */
  readonly spools: Spools
  /** To be called once, before the work, when it is known how much there is. */
  start(total: number, resumedAt?: number): void
  progress(report: Omit<StageProgress, 'type' | 'stage' | 'variant'>): void
  notice(level: StageNotice['level'], message: string): void
  /** A warning about this process's work, which the stage's manifest does not keep: artifacts must not depend on where a run was cut. */
  say(message: string): void
}

/** What a stage would be, where none is to be run. */
export class NotDone extends Error {
  constructor(
    readonly folder: StageFolder,
    readonly title: string,
  ) {
    super(`${title} is not done.`)
  }
}

/** The backend that computes, and what it is known by. */
export interface ChosenEngine extends BackendCandidate {
  readonly probe: BackendProbe
}

const WAIT_MS = 500

/** What all stages share during one run. */
export class StageContext {
  /** Messages of the notices of every stage, reused ones included. */
  readonly notices: string[] = []
  /** The stage at work, for messages. */
  current = ''
  /** What training takes, where the backend knows. */
  memory: MemoryReport | undefined
  /** What the log says of the data, once a stage is done: what is refused before leaves nothing. */
  sources: SourcesEntry | undefined
  private readonly encodings = new EncodingCache()
  private readonly engine: Identity & { readonly device: string }

  constructor(
    readonly resolved: ResolvedConfig,
    readonly backend: ChosenEngine,
    readonly store: RunStore,
    readonly signal: AbortSignal | undefined,
    private readonly emit: (event: RunEvent) => void,
    /** Nothing is run, made or written: the first stage that is not done is thrown, as {@link NotDone}. */
    private readonly looks = false,
  ) {
    this.engine = engineOf(backend)
  }

  get config() {
    return this.resolved.config
  }

  /** Runs a stage, or reuses it where it is finished. */
  async run(spec: StageSpec, work: (desk: StageDesk) => Promise<StageOutcome>): Promise<Finished> {
    this.signal?.throwIfAborted()
    const { stage, variant } = spec
    const title = [stage, variant].filter(Boolean).join(' ')
    const folder = this.store.stage(stage, variant, this.determined(spec))
    const finished = await this.reuse(spec, folder)
    if (finished) return finished
    if (this.looks) throw new NotDone(folder, title)
    const unlock = await this.lock(folder, title)
    const before = this.current
    try {
      // by another process, while this one waited
      const made = await this.reuse(spec, folder)
      if (made) return made
      this.current = title
      return await this.work(spec, folder, title, work)
    } catch (error) {
      throw this.located(error, title)
    } finally {
      await unlock()
      // what failed stays the stage at work
      if (!this.signal?.aborted) this.current = before
    }
  }

  /** The backend and its device, for people. */
  get engineTitle(): string {
    return `${this.backend.name} (${this.backend.probe.device})`
  }

  /** Says something of the run as a whole, in the report too. */
  say(level: StageNotice['level'], message: string): void {
    this.notice({ level, message })
  }

  /** Turns this run's questions and chains into the model's tokens. */
  encoder(model: ModelFacts | Policy): Encoder {
    const facts = 'info' in model ? factsOf(model) : model
    const { prompt, lengths } = this.config
    return new Encoder(facts, (record, tokenizer) => renderPrompt(record, prompt, tokenizer), this.encodings, lengths)
  }

  /** Opens a model, lends it, and disposes it whatever happens. */
  async withPolicy<T>(model: Model, use: (policy: Policy) => Promise<T>, frozenBase = this.trainsNoWeights): Promise<T> {
    const policy = await this.backend.made.open(model.source, { ...this.backend.open, ...(frozenBase ? { frozenBase } : {}) })
    try {
      await model.verify?.()
      return await use(policy)
    } finally {
      await policy.dispose()
    }
  }

  /** Lends what tokenising needs of a model, which is opened only where the backend has no other way to know. */
  async withFacts<T>(model: Model, use: (model: ModelFacts) => Promise<T>): Promise<T> {
    const facts = await this.backend.made.inspect?.(model.source)
    return facts ? use(facts) : this.withPolicy(model, (policy) => use(factsOf(policy)))
  }

  /**
   * Opens a model for training while `encode` turns data into its tokens, where the backend knows them without the model; lends both to
   * `use`. A model that cannot be opened stops `encode`, and is what is reported.
   */
  async withTrainee<E, T>(
    model: Model,
    plan: SectionPlan,
    encode: (model: ModelFacts, signal: AbortSignal | undefined) => Promise<E>,
    use: (policy: Policy, encoded: E) => Promise<T>,
  ): Promise<T> {
    if (this.memory) requireFitting(this.memory)
    const facts = await this.backend.made.inspect?.(model.source)
    const failed = new AbortController()
    const signal = AbortSignal.any([failed.signal, ...(this.signal ? [this.signal] : [])])
    const encoding = facts && encode(facts, signal)
    // Its failure is looked at below.
    encoding?.catch(() => undefined)
    try {
      const train = async (policy: Policy) => {
        // An adapter that is not trained is handed on as it is, and not made one with its base.
        if (!plan.isIdle || model.base === undefined) await prepareTraining(policy, plan)
        return use(policy, await (encoding ?? encode(factsOf(policy), this.signal)))
      }
      return await this.withPolicy(model, train, plan.lora !== undefined)
    } catch (error) {
      failed.abort(error)
      await encoding?.catch(() => undefined)
      throw error
    }
  }

  /** Whether this run trains adapters alone: its models' own weights are then held as they are stored wherever one is opened. */
  private get trainsNoWeights(): boolean {
    const { sft, align, seed } = this.config
    const plans = [sft, ...align].map((section) => planOf(section, '', seed)).filter(({ isIdle }) => !isIdle)
    return plans.length > 0 && plans.every(({ lora }) => lora !== undefined)
  }

  /** Everything that determines a stage, as its key and its manifest have it. */
  private determined({ determinedBy, code = [], backend, seed }: StageSpec): object {
    const plugins = [...code, ...(backend ? [this.backend.code] : [])]
    return {
      ...determinedBy,
      code: Object.assign({ '@plumbline/core': CORE_VERSION }, ...plugins) as CodeIdentity,
      ...(backend ? { backend: this.engine } : {}),
      ...(seed === undefined ? {} : { seed }),
    }
  }

  private async reuse({ stage, variant }: StageSpec, folder: StageFolder): Promise<Finished | undefined> {
    const manifest = await folder.finished()
    if (manifest === undefined) return undefined
    if (!this.looks && (await folder.isUntidy())) await tidy(folder)
    const { summary, figures } = manifest
    this.emit({ type: 'stage-reused', stage, variant, path: folder.path, summary, figures })
    for (const notice of manifest.notices) this.notice(notice)
    return { folder, manifest }
  }

  /** Keeps other processes out of the stage, and waits for the one that is making it. */
  private async lock(folder: StageFolder, title: string): Promise<() => Promise<void>> {
    for (let said = false; ; said = true) {
      try {
        return await folder.lock((message) => this.emit({ type: 'notice', level: 'info', message }))
      } catch (error) {
        if (!isPlumbError(error) || error.code !== 'PLUMB_RUN_LOCKED') throw error
        const message = `${title} is being made by another run; waiting for it. (${error.where ?? folder.path}: ${error.message})`
        if (!said) this.emit({ type: 'notice', level: 'info', message })
      }
      await sleep(WAIT_MS, undefined, { signal: this.signal })
    }
  }

  private async work(
    { stage, variant }: StageSpec,
    folder: StageFolder,
    title: string,
    work: (desk: StageDesk) => Promise<StageOutcome>,
  ): Promise<Finished> {
    const goesOn = await folder.begin()
    const before = goesOn ? undefined : await this.store.whyNew(folder)
    if (before) this.emit({ type: 'notice', level: 'info', message: `${title} is done again: ${before.because}.` })
    const started = performance.now()
    const notices: StageNotice[] = []
    // of the stages that all variants share in the first round, a further round's say whose they are
    const owned = (text: string) => (variant !== undefined && (stage === 'sample' || stage === 'label') ? `${variant}: ${text}` : text)
    const spools = new Spools(folder.work())
    const desk: StageDesk = {
      folder,
      spools,
      start: (total, resumedAt) =>
        this.emit({ type: 'stage-start', stage, variant, path: folder.path, total, ...(resumedAt ? { resumedAt } : {}) }),
      progress: (report) => this.emit({ type: 'progress', stage, variant, ...report }),
      notice: (level, message) => {
        const notice = { level, message: owned(message) }
        notices.push(notice)
        this.notice(notice)
      },
      say: (message) => this.emit({ type: 'notice', level: 'warning', message: owned(message) }),
    }
    const { artifacts, summary, figures = {}, examples, watched } = await work(desk).finally(() => spools.close())
    const seconds = (performance.now() - started) / 1000
    const result = { artifacts, summary, figures, notices, examples, watched }
    const machine = thisMachine(this.engineTitle)
    if (this.sources) await logSources(this.config.run, this.sources)
    const manifest = await folder.finish(result, { stage, variant, key: folder.identity.key, seconds, summary, machine })
    this.emit({ type: 'stage-end', stage, variant, seconds, path: folder.path, summary, figures })
    return { folder, manifest }
  }

  /** A plugin's failure with the stage it happened in; one that an abort brought about is the abort. */
  private located(error: unknown, title: string): unknown {
    if (!isPlumbError(error) || error.code !== 'PLUMB_PLUGIN_FAILED') return error
    if (this.signal?.aborted) return error.cause
    if (error.where !== undefined) return error
    return new PlumbError(error.code, error.message, title, { cause: error })
  }

  private notice({ level, message }: StageNotice): void {
    this.notices.push(message)
    this.emit({ type: 'notice', level, message })
  }
}

/** The backend as keys have it: its options, and the kind of its device, but neither the device's name nor what it has of threads. */
function engineOf({ identity, probe }: ChosenEngine): Identity & { readonly device: string } {
  const device = kindOf(probe)
  const { device: asked, ...others } = identity.options ?? {}
  // the kind that would be taken without being asked for
  const options = asked === undefined || asked === device ? others : identity.options
  return { ...without(identity, 'options'), device, ...(options && Object.keys(options).length > 0 ? { options } : {}) }
}

/** Clears away what a killed process left in a stage that it had finished, unless another one is still at it. */
async function tidy(folder: StageFolder): Promise<void> {
  const unlock = await folder.lock().catch((error: unknown) => {
    if (isPlumbError(error)) return undefined
    throw error
  })
  if (unlock === undefined) return
  await folder.clearWork()
  await unlock()
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
