import {
  frozenParameters,
  type AdamWOptions,
  type ForwardBackwardReport,
  type FrozenPolicy,
  type Generation,
  type GenerationPrompt,
  type Objective,
  type ObjectiveResult,
  type OptimStepReport,
  type Policy,
  type PolicyInfo,
  type Sampling,
  type GenerateOptions,
  type StepOptions,
  type Tokenizer,
  type TokenGroup,
  type TokenLogProbs,
  type TrainingPlan,
} from '@plumbline/core'
import {
  applyObjective,
  completionText,
  packedRows,
  planMicroBatches,
  requireFiniteScores,
  selectGroups,
  splitLogProbs,
  stepReport,
  unscored,
  type MicroBatch,
  type SelectedGroup,
} from '@plumbline/transformer'
import type { EngineClient } from './worker/client'
import { hasStops } from './worker/stops'
import type { PartialCompletion } from './worker/engine'
import type { EngineTeam } from './worker/team'

export interface PolicySettings {
  /** Most rows of one micro-batch. */
  readonly microBatchTokens: number
  /** Most rows of a group that is computed alone; a larger one is split, which computes its prompt and its activations again. */
  readonly loneGroupTokens: number
  readonly activationMemory: 'keep' | 'recompute'
  /** Rows from which on what is computed together is computed one layer after the other: more than these. */
  readonly checkpointedAbove: number
}

/**
 * The main thread's side of a model that lives in a worker: plans micro-batches, calls the objective between their forward and
 * backward passes, and answers aborts between them.
 */
export class OnnxPolicy implements Policy {
  private queue: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly engines: EngineTeam,
    readonly info: PolicyInfo,
    readonly tokenizer: Tokenizer,
    private readonly parameterNames: readonly string[],
    private readonly settings: PolicySettings,
  ) {}

  logProbs(groups: readonly TokenGroup[]): Promise<TokenLogProbs[][]> {
    return this.inOrder(() => this.score(groups))
  }

  forwardBackward(groups: readonly TokenGroup[], objective: Objective, { signal }: StepOptions = {}): Promise<ForwardBackwardReport> {
    return this.inOrder(async () => {
      try {
        return await this.accumulate(groups, objective, signal)
      } catch (error) {
        // An engine that is gone cannot drop anything; why it went is the error to tell.
        await this.engines.all('drop').catch(() => undefined)
        throw error
      }
    })
  }

  prepareTraining({ freeze = [], moments, lora }: TrainingPlan): Promise<void> {
    return this.inOrder(async () => {
      const frozen = [...frozenParameters(freeze, this.parameterNames)]
      const { activationMemory, checkpointedAbove } = this.settings
      const keep = activationMemory === 'keep'
      await this.engines.all('prepareTraining', { frozen, keep, byLayers: checkpointedAbove === 0, moments, lora })
    })
  }

  optimStep(options: AdamWOptions): Promise<OptimStepReport> {
    return this.inOrder(async () => {
      await this.engines.sumGradients()
      const [gradNorm] = await this.engines.all('optimStep', options)
      return { gradNorm: gradNorm! }
    })
  }

  async *generate(
    prompts: readonly GenerationPrompt[],
    sampling: Sampling,
    { signal, onTokens }: GenerateOptions = {},
  ): AsyncIterable<Generation> {
    signal?.throwIfAborted()
    const finished: Generation[] = []
    const written = (generation: Generation): Generation =>
      hasStops(sampling) ? generation : { ...generation, text: completionText(this.tokenizer, generation.tokens, generation.finish) }
    let wake: () => void = () => undefined
    const state: { ended: boolean } = { ended: false }
    let failure: { readonly error: unknown } | undefined
    const aborts: (() => void)[] = []
    const abort = () => aborts.forEach((stop) => stop())
    const run = this.inOrder(() =>
      this.engines.share(dealt(prompts, this.engines.size), async (engine, hand) => {
        signal?.throwIfAborted()
        if (state.ended) return
        const call = engine.start('generate', [hand, sampling, onTokens !== undefined], (event) => {
          if ('partial' in (event as object)) {
            onTokens?.((event as PartialCompletion).partial)
            return
          }
          finished.push(event as Generation)
          wake()
        })
        aborts.push(call.abort)
        await call.done.catch((error: unknown) => {
          // What one cannot finish, the others need not.
          abort()
          throw error
        })
      }),
    )
    const onAbort = () => abort()
    signal?.addEventListener('abort', onAbort)
    const settled = run
      .catch((error: unknown) => {
        failure = { error }
      })
      .finally(() => {
        state.ended = true
        wake()
      })
    try {
      for (;;) {
        while (finished.length > 0) yield written(finished.shift()!)
        if (state.ended) break
        await new Promise<void>((resolve) => (wake = resolve))
      }
      if (failure) throw signal?.aborted ? signal.reason : failure.error
    } finally {
      signal?.removeEventListener('abort', onAbort)
      if (!state.ended) {
        // The consumer left early: what it does not read is not computed.
        state.ended = true
        abort()
        await settled
      }
    }
  }

  snapshot(): Promise<FrozenPolicy> {
    return this.inOrder(async () => {
      const [snapshot] = await this.engines.all('snapshot')
      return {
        info: this.info,
        logProbs: (groups) => this.inOrder(() => this.score(groups, snapshot)),
        dispose: () =>
          this.inOrder(async () => {
            await this.engines.all('releaseSnapshot', snapshot!)
          }),
      }
    })
  }

  saveWeights(folder: string): Promise<void> {
    return this.inOrder(() => this.engines.first.call('saveWeights', folder))
  }

  saveAdapter(folder: string): Promise<void> {
    return this.inOrder(() => this.engines.first.call('saveAdapter', folder))
  }

  saveState(folder: string): Promise<void> {
    return this.inOrder(() => this.engines.first.call('saveState', folder))
  }

  loadState(folder: string): Promise<void> {
    return this.inOrder(async () => {
      await this.engines.all('loadState', folder)
    })
  }

  dispose(): Promise<void> {
    return this.inOrder(() => this.engines.close())
  }

  private inOrder<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.queue.then(operation)
    this.queue = result.catch(() => undefined)
    return result
  }

  private plan(groups: readonly TokenGroup[]): MicroBatch[] {
    const { microBatchTokens, loneGroupTokens } = this.settings
    const selected = selectGroups(groups, this.info)
    const isLone = (group: SelectedGroup) => packedRows(group) > microBatchTokens && packedRows(group) <= loneGroupTokens
    const lone = selected.filter(isLone).map((group) => ({ parts: [[group]] }))
    const shared = selected.filter((group) => !isLone(group))
    if (this.engines.size === 1) return [...lone, ...planMicroBatches(shared, microBatchTokens)]
    // Small steps too are split so that every engine has its share; a little room lets an even split end in that many batches. A group
    // is not split for that: its parts would compute the prompt again, on the same engine.
    const rows = shared.map(packedRows)
    const share = Math.ceil((1.1 * rows.reduce((sum, n) => sum + n, 0)) / this.engines.size)
    return [...lone, ...planMicroBatches(shared, Math.min(microBatchTokens, Math.max(share, ...rows)))]
  }

  private byLayers(part: readonly SelectedGroup[]): boolean {
    return part.reduce((rows, group) => rows + packedRows(group), 0) > this.settings.checkpointedAbove
  }

  private async score(groups: readonly TokenGroup[], snapshot?: number): Promise<TokenLogProbs[][]> {
    const results = unscored(groups)
    await this.engines.share(this.plan(groups), async (engine, { parts }) => {
      for (const part of parts) splitLogProbs(part, await engine.call('logProbs', part, snapshot, this.byLayers(part)), results)
    })
    requireFiniteScores(groups, results)
    return results
  }

  private async accumulate(groups: readonly TokenGroup[], objective: Objective, signal?: AbortSignal): Promise<ForwardBackwardReport> {
    const logProbs = unscored(groups)
    const plan = this.plan(groups)
    const results = await this.engines.share(plan, async (engine, { parts }) => {
      signal?.throwIfAborted()
      return this.differentiate(engine, parts, groups, objective, logProbs)
    })
    signal?.throwIfAborted()
    return stepReport(plan, results)
  }

  /** Forward, objective and backward of one micro-batch; its gradients stay in the engine. */
  private async differentiate(
    engine: EngineClient,
    parts: MicroBatch['parts'],
    groups: readonly TokenGroup[],
    objective: Objective,
    logProbs: TokenLogProbs[][],
  ): Promise<ObjectiveResult> {
    const keep = this.settings.activationMemory === 'keep' && parts.length === 1
    for (const part of parts) splitLogProbs(part, await engine.call('forward', part, keep, this.byLayers(part)), logProbs)
    const { result, cotangentsOf } = applyObjective(parts, groups, objective, logProbs)
    for (const part of parts) await engine.call('backward', cotangentsOf(part))
    return result
  }
}

/** Deals the prompts out in turn, so that every hand has about as much work. */
function dealt<T>(items: readonly T[], hands: number): T[][] {
  return Array.from({ length: hands }, (_, hand) => items.filter((_, i) => i % hands === hand)).filter(({ length }) => length > 0)
}
