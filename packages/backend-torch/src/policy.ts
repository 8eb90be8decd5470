import {
  frozenParameters,
  loraModules,
  type AdamWOptions,
  type ForwardBackwardReport,
  type FrozenPolicy,
  type Generation,
  type GenerationPrompt,
  type LinearModule,
  type LoraPlan,
  type ModelSource,
  type Objective,
  type ObjectiveResult,
  type OptimStepReport,
  type Policy,
  type PolicyInfo,
  type Sampling,
  type StepOptions,
  type Tokenizer,
  type TokenGroup,
  type TokenLogProbs,
  type TrainingPlan,
} from '@plumbline/core'
import {
  applyObjective,
  CompletionRules,
  planMicroBatches,
  requireFiniteScores,
  requirePrompts,
  selectGroups,
  splitLogProbs,
  stepReport,
  unscored,
  type Adapter,
  type MicroBatch,
} from '@plumbline/transformer'
import { factorArrays, plannedFactors, withArrays, type PlannedFactors } from './adapter'
import { moduleWords } from './draws'
import type { FolderModel } from './model'
import { generations } from './generations'
import type { MomentType } from './process/methods'
import type { RemoteModel } from './remote'
import { sampleRows } from './rows'
import { loadState, saveAdapter, saveState, saveWeights } from './saving'

/** What a policy is made of. */
export interface OpenedTorch {
  readonly remote: RemoteModel
  readonly info: PolicyInfo
  readonly tokenizer: Tokenizer
  readonly model: FolderModel
  readonly source: ModelSource
  /** Names and shapes of all parameters, as training states have them. */
  readonly parameters: ReadonlyMap<string, readonly number[]>
  readonly linearModules: readonly LinearModule[]
  /** The adapter that the model was opened with. */
  readonly adapter?: Adapter
  /** Whether files hold the matrices of its layers as [in, out], as GPT-2's Conv1D does. */
  readonly isTransposed: boolean
  readonly microBatchTokens: number
  release(): void
}

/** One model in a Python process: plans micro-batches, calls the objective between their forward and backward passes, draws what is sampled. */
export class TorchPolicy implements Policy {
  private last: Promise<unknown> = Promise.resolve()
  private frozen: ReadonlySet<string> = new Set()
  /** The factors that are trained. */
  private factors: PlannedFactors | undefined
  private isReadied = false
  private moments: MomentType = 'float32'
  private steps = 0

  constructor(private readonly opened: OpenedTorch) {}

  get info(): PolicyInfo {
    return this.opened.info
  }

  get tokenizer(): Tokenizer {
    return this.opened.tokenizer
  }

  logProbs(groups: readonly TokenGroup[]): Promise<TokenLogProbs[][]> {
    return this.inOrder(() => this.score(groups))
  }

  forwardBackward(groups: readonly TokenGroup[], objective: Objective, { signal }: StepOptions = {}): Promise<ForwardBackwardReport> {
    return this.inOrder(async () => {
      try {
        return await this.accumulate(groups, objective, signal)
      } catch (error) {
        // A process that is gone cannot drop anything; why it went is the error to tell.
        await this.opened.remote.call('drop', {}).catch(() => undefined)
        throw error
      }
    })
  }

  prepareTraining({ freeze = [], lora, moments = 'float32' }: TrainingPlan): Promise<void> {
    return this.inOrder(async () => {
      this.isReadied = true
      this.moments = moments
      if (lora) return this.adapt(lora)
      this.frozen = frozenParameters(freeze, [...this.opened.parameters.keys()])
      await this.opened.remote.call('prepare_training', { frozen: [...this.frozen], moments })
    })
  }

  optimStep(options: AdamWOptions): Promise<OptimStepReport> {
    return this.inOrder(async () => {
      const { gradNorm, steps } = (await this.opened.remote.call('optim_step', options)).result
      this.steps = steps
      return { gradNorm }
    })
  }

  generate(prompts: readonly GenerationPrompt[], sampling: Sampling, { signal }: StepOptions = {}): AsyncIterable<Generation> {
    const { model, tokenizer, info, remote } = this.opened
    const limits = { vocabularySize: info.vocabularySize, contextLength: info.contextLength, endTokens: model.eosIds }
    return generations(signal, (emit, stopped) =>
      this.inOrder(() => {
        requirePrompts(prompts, info)
        return sampleRows(remote, prompts, new CompletionRules(sampling, limits, tokenizer), emit, stopped)
      }),
    )
  }

  snapshot(): Promise<FrozenPolicy> {
    return this.inOrder(async () => {
      const snapshot = (await this.opened.remote.call('snapshot', {})).result
      return {
        info: this.info,
        logProbs: (groups) => this.inOrder(() => this.score(groups, snapshot)),
        dispose: () =>
          this.inOrder(async () => {
            if (this.opened.remote.isAlive) await this.opened.remote.call('release_snapshot', { snapshot })
          }),
      }
    })
  }

  saveWeights(folder: string): Promise<void> {
    return this.inOrder(() => saveWeights(folder, this.opened))
  }

  saveAdapter(folder: string): Promise<void> {
    return this.inOrder(async () => {
      const adapter = this.factors?.adapter ?? (this.isReadied ? undefined : this.opened.adapter)
      if (adapter === undefined) throw new Error('The model has no adapter of its own: none is trained')
      const { arrays } = await this.opened.remote.call('factors', {})
      await saveAdapter(folder, withArrays(adapter, arrays as readonly Float32Array[]), this.opened)
    })
  }

  saveState(folder: string): Promise<void> {
    return this.inOrder(() => saveState(folder, this.opened.remote))
  }

  loadState(folder: string): Promise<void> {
    return this.inOrder(async () => {
      const shape = this.factors
        ? { parameters: this.factors.shapes, frozen: new Set<string>() }
        : { parameters: this.opened.parameters, frozen: this.frozen }
      this.steps = await loadState(folder, { ...shape, moments: this.moments }, this.opened.remote)
    })
  }

  /** Most bytes that the device's allocator held since this was last asked; on a CPU those of the process since it began. For benchmarks. */
  peakBytes(): Promise<number> {
    return this.inOrder(async () => (await this.opened.remote.call('peak_bytes', {})).result)
  }

  dispose(): Promise<void> {
    return this.inOrder(async () => {
      if (this.opened.remote.isAlive) await this.opened.remote.call('close', {}).catch(() => undefined)
      this.opened.release()
    })
  }

  private async adapt(plan: LoraPlan): Promise<void> {
    const { remote, source, linearModules, adapter: given } = this.opened
    const modules = loraModules(plan, linearModules, 'lora')
    this.factors = await plannedFactors(plan, source, modules, given)
    const { adapter, shape } = this.factors
    await remote.call('prepare_training', { frozen: [], lora: shape, moments: this.moments }, given ? [] : factorArrays(adapter))
  }

  /** What is dropped follows from the optimizer's step, among others. */
  private words(): Uint32Array | undefined {
    const { factors, steps } = this
    return factors && factors.shape.dropout > 0 ? moduleWords(factors.seed, steps, factors.shape.modules) : undefined
  }

  private plan(groups: readonly TokenGroup[]): MicroBatch[] {
    return planMicroBatches(selectGroups(groups, this.info), this.opened.microBatchTokens)
  }

  private async score(groups: readonly TokenGroup[], snapshot?: number): Promise<TokenLogProbs[][]> {
    const results = unscored(groups)
    for (const part of this.plan(groups).flatMap(({ parts }) => parts)) {
      splitLogProbs(part, await this.opened.remote.logProbs(part, snapshot), results)
    }
    requireFiniteScores(groups, results)
    return results
  }

  private async accumulate(groups: readonly TokenGroup[], objective: Objective, signal?: AbortSignal): Promise<ForwardBackwardReport> {
    const logProbs = unscored(groups)
    const plan = this.plan(groups)
    const words = this.words()
    const results: ObjectiveResult[] = []
    for (const { parts } of plan) {
      signal?.throwIfAborted()
      results.push(await this.differentiate(parts, groups, objective, logProbs, words))
    }
    signal?.throwIfAborted()
    return stepReport(plan, results)
  }

  /** Forward, objective and backward of one micro-batch. The graph waits for the cotangents; of a group in parts each is computed again. */
  private async differentiate(
    parts: MicroBatch['parts'],
    groups: readonly TokenGroup[],
    objective: Objective,
    logProbs: TokenLogProbs[][],
    words: Uint32Array | undefined,
  ): Promise<ObjectiveResult> {
    const { remote } = this.opened
    for (const part of parts) splitLogProbs(part, await remote.forward(part, parts.length === 1, words), logProbs)
    const { result, cotangentsOf } = applyObjective(parts, groups, objective, logProbs)
    for (const part of parts) await remote.call('backward', {}, [cotangentsOf(part)])
    return result
  }

  /** Calls are served one after the other, whatever became of the one before. */
  private inOrder<R>(work: () => Promise<R>): Promise<R> {
    const result = this.last.then(work)
    this.last = result.catch(() => undefined)
    return result
  }
}
