import * as tf from '@tensorflow/tfjs-core'
import {
  frozenParameters,
  PlumbError,
  type AdamWOptions,
  type ForwardBackwardReport,
  type FrozenPolicy,
  type Generation,
  type GenerationPrompt,
  type Objective,
  type OptimStepReport,
  type Policy,
  type PolicyInfo,
  type Sampling,
  type StepOptions,
  type TokenGroup,
  type TokenLogProbs,
  type TrainingPlan,
} from '@plumbline/core'
import {
  CompletionRules,
  packedRows,
  parameterCount,
  parameterShapes,
  planMicroBatches,
  readTrainingState,
  requireFiniteLogProbs,
  requireFiniteLoss,
  requireFiniteScores,
  requireFiniteWeights,
  scoredGroups,
  selectGroups,
  splitLogProbs,
  spreadCotangents,
  writeModelFolder,
  writeTrainingState,
  type LoadedModel,
  type ModelConfig,
  type PackedGroup,
  type SelectedGroup,
} from '@plumbline/transformer'
import { Decoder } from './decode'
import type { Engine } from './engine'
import { Parameters } from './parameters'
import { Scorer, type TensorMap } from './scoring'

/** One model on a TensorFlow.js engine. */
export class GpuPolicy implements Policy {
  readonly info: PolicyInfo
  private readonly parameters: Parameters
  private readonly scorer: Scorer
  private last: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly engine: Engine,
    private readonly model: LoadedModel,
    device: string,
    private readonly microBatchTokens: number,
  ) {
    const { config } = model
    this.info = {
      engine: `gpu (${device})`,
      architecture: config.modelType,
      parameters: parameterCount(config),
      contextLength: config.maxPositions,
      vocabularySize: config.vocabSize,
    }
    this.parameters = new Parameters(engine, model.weights)
    this.scorer = new Scorer(engine, config)
  }

  get tokenizer(): Policy['tokenizer'] {
    return this.model.tokenizer
  }

  logProbs(groups: readonly TokenGroup[]): Promise<TokenLogProbs[][]> {
    return this.inOrder(() => this.score(groups, this.parameters.tensors))
  }

  forwardBackward(groups: readonly TokenGroup[], objective: Objective, { signal }: StepOptions = {}): Promise<ForwardBackwardReport> {
    return this.inOrder(async () => {
      try {
        return await this.differentiate(groups, objective, signal)
      } catch (error) {
        this.parameters.dropGradients()
        throw error
      }
    })
  }

  prepareTraining({ freeze = [] }: TrainingPlan): Promise<void> {
    return this.inOrder(async () => {
      requireFiniteWeights(await this.parameters.downloadWeights(), 'training would spread them')
      this.parameters.freeze(frozenParameters(freeze, [...this.parameters.tensors.keys()]))
    })
  }

  optimStep(options: AdamWOptions): Promise<OptimStepReport> {
    return this.inOrder(async () => ({ gradNorm: await this.parameters.adamW(options) }))
  }

  async *generate(prompts: readonly GenerationPrompt[], sampling: Sampling, { signal }: StepOptions = {}): AsyncGenerator<Generation> {
    const { config, eosIds, tokenizer } = this.model
    for (const { id, prompt } of prompts) requireUsable(id, prompt, config)
    const limits = { vocabularySize: config.vocabSize, contextLength: config.maxPositions, endTokens: eosIds }
    // Handles of its own: an optimizer step while the caller holds the iterator changes nothing here.
    const weights = await this.inOrder(async () => this.parameters.copy())
    const longest = prompts.reduce((most, { prompt }) => Math.max(most, prompt.length), 0)
    const shared = this.scorer.tables(longest + sampling.maxNewTokens)
    const tables = this.engine.run(() =>
      Object.fromEntries(
        Object.entries(shared).map(([name, { cosine, sine }]) => [name, { cosine: tf.clone(cosine), sine: tf.clone(sine) }]),
      ),
    )
    try {
      yield* new Decoder(this.engine, config, weights, tables, new CompletionRules(sampling, limits, tokenizer)).run(prompts, signal)
    } finally {
      tf.dispose([...weights.values(), ...Object.values(tables).flatMap(({ cosine, sine }) => [cosine, sine])])
    }
  }

  snapshot(): Promise<FrozenPolicy> {
    return this.inOrder(async () => {
      const weights = this.parameters.copy()
      return {
        info: this.info,
        logProbs: (groups) => this.inOrder(() => this.score(groups, weights)),
        dispose: async () => tf.dispose([...weights.values()]),
      }
    })
  }

  saveWeights(folder: string): Promise<void> {
    return this.inOrder(async () => writeModelFolder(folder, { ...this.model, weights: await this.parameters.downloadWeights() }))
  }

  saveState(folder: string): Promise<void> {
    return this.inOrder(async () => writeTrainingState(folder, await this.parameters.downloadState()))
  }

  loadState(folder: string): Promise<void> {
    const shapes = parameterShapes(this.model.config)
    return this.inOrder(async () =>
      this.parameters.restore(await readTrainingState(folder, { parameters: shapes, frozen: this.parameters.frozen })),
    )
  }

  dispose(): Promise<void> {
    return this.inOrder(async () => {
      this.parameters.dispose()
      this.scorer.dispose()
    })
  }

  private async score(groups: readonly TokenGroup[], weights: TensorMap): Promise<TokenLogProbs[][]> {
    const results = groups.map(({ completions }): TokenLogProbs[] => completions.map(() => undefined))
    for (const { parts } of planMicroBatches(selectGroups(groups, this.info), this.microBatchTokens)) {
      for (const part of parts) {
        splitLogProbs(part, await this.engine.read(this.scorer.logProbs(part, weights)), results)
        await this.engine.pause()
      }
    }
    requireFiniteScores(groups, results)
    return results
  }

  private async differentiate(groups: readonly TokenGroup[], objective: Objective, signal?: AbortSignal): Promise<ForwardBackwardReport> {
    const logProbs = groups.map(({ completions }): TokenLogProbs[] => completions.map(() => undefined))
    const metrics: Record<string, number> = {}
    let [loss, completionTokens, computedTokens] = [0, 0, 0]
    const plan = planMicroBatches(selectGroups(groups, this.info), this.microBatchTokens)
    for (const { parts } of plan) {
      for (const part of parts) {
        await this.engine.pause(signal)
        splitLogProbs(part, await this.engine.read(this.scorer.logProbs(part, this.parameters.tensors)), logProbs)
        completionTokens += part.reduce((sum, { completions }) => sum + completions.reduce((n, c) => n + c.length, 0), 0)
        computedTokens += part.reduce((sum, group) => sum + packedRows(group), 0)
      }
      const scored = scoredGroups({ parts }, logProbs)
      requireFiniteLogProbs(groups, scored)
      const result = objective(scored)
      requireFiniteLoss(groups, scored, result)
      loss += result.loss
      for (const [name, value] of Object.entries(result.metrics ?? {})) metrics[name] = (metrics[name] ?? 0) + value
      const cotangents = new Map(scored.map(({ index }, i) => [index, result.cotangents[i]!]))
      for (const part of parts) {
        await this.engine.pause(signal)
        const live = dropIdle(part, spreadCotangents(part, cotangents))
        if (live.groups.length > 0) this.parameters.accumulate(this.gradients(live.groups, live.cotangents))
      }
    }
    return { loss, metrics, completionTokens, computedTokens, microBatches: plan.length }
  }

  private gradients(groups: readonly PackedGroup[], cotangents: Float32Array) {
    const { tensors, trained } = this.parameters
    return this.scorer.gradients(groups, tensors, cotangents, trained)
  }

  /** Calls are served one after the other, whatever became of the one before. */
  private inOrder<R>(work: () => Promise<R>): Promise<R> {
    const result = this.last.then(work)
    this.last = result.catch(() => undefined)
    return result
  }
}

function requireUsable(id: string, prompt: readonly number[], { maxPositions, vocabSize }: ModelConfig): void {
  const where = `prompt ${id}`
  if (prompt.length === 0) throw new PlumbError('PLUMB_EMPTY_PROMPT', 'The prompt has no tokens; expected at least one.', where)
  if (prompt.length >= maxPositions) {
    const message = `The prompt has ${prompt.length} tokens; the model's context holds ${maxPositions}, so nothing can follow.`
    throw new PlumbError('PLUMB_CONTEXT_EXCEEDED', message, where)
  }
  const stray = prompt.find((token) => !Number.isInteger(token) || token < 0 || token >= vocabSize)
  if (stray !== undefined)
    throw new PlumbError('PLUMB_TOKEN_OUT_OF_RANGE', `Token ${stray} is outside the vocabulary of ${vocabSize}.`, where)
}

/** Leaves out completions whose cotangents are all exactly zero: they need no backward pass. */
function dropIdle(part: readonly SelectedGroup[], cotangents: Float32Array): { groups: PackedGroup[]; cotangents: Float32Array } {
  const alive: number[] = []
  let offset = 0
  const groups = part.flatMap(({ prompt, completions }) => {
    const kept = completions.filter(({ length }) => {
      const own = cotangents.subarray(offset, (offset += length))
      const live = own.some((value) => value !== 0)
      if (live) alive.push(...own)
      return live
    })
    return kept.length > 0 ? [{ prompt, completions: kept }] : []
  })
  return { groups, cotangents: Float32Array.from(alive) }
}
