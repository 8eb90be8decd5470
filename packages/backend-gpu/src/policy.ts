import * as tf from '@tensorflow/tfjs-core'
import {
  frozenParameters,
  type AdamWOptions,
  type ForwardBackwardReport,
  type FrozenPolicy,
  type Generation,
  type GenerationPrompt,
  type LoraPlan,
  type ModelSource,
  type Objective,
  type ObjectiveResult,
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
  applyObjective,
  CompletionRules,
  Dropout,
  elements,
  factorTensors,
  hasTransposedModules,
  heldWeights,
  mergedWeights,
  parameterCount,
  parameterShapes,
  plannedAdapter,
  planMicroBatches,
  readAdapter,
  readTrainingState,
  requireFiniteScores,
  requireFiniteWeights,
  requirePrompts,
  selectGroups,
  splitLogProbs,
  stepReport,
  unscored,
  weightOf,
  withFactors,
  writeAdapter,
  writeModel,
  writeModelFolder,
  writeTrainingState,
  type LoadedModel,
  type PackedGroup,
  type PlannedAdapter,
  type SelectedGroup,
  type Weights,
  type WeightSource,
  type WeightTensor,
} from '@plumbline/transformer'
import { Decoder } from './decode'
import type { Engine } from './engine'
import { Parameters } from './parameters'
import { Scorer, type ScoredModel } from './scoring'

/** A model and where it is from. */
export interface OpenedModel extends LoadedModel {
  readonly source: ModelSource
  /** The weights of what an adapter is on, or of the model where it has none. */
  openBase(): Promise<WeightSource>
}

/** An adapter that is trained. */
interface Factors extends PlannedAdapter {
  readonly dropout: Dropout
}

/**
 * One model on a TensorFlow.js engine. One that is opened with an adapter is what the two make together until an adapter is trained: then the
 * base is read again, and the factors stand beside it.
 */
export class GpuPolicy implements Policy {
  readonly info: PolicyInfo
  private readonly parameters: Parameters
  private readonly scorer: Scorer
  private last: Promise<unknown> = Promise.resolve()
  private factors: Factors | undefined
  private isReadied = false

  constructor(
    private readonly engine: Engine,
    private readonly model: OpenedModel,
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
    return this.inOrder(() => this.score(groups, this.today))
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

  prepareTraining({ freeze = [], lora }: TrainingPlan): Promise<void> {
    return this.inOrder(async () => {
      this.isReadied = true
      if (lora) return this.adapt(lora)
      requireFiniteWeights(await this.parameters.downloadWeights(), 'training would spread them')
      this.parameters.freeze(frozenParameters(freeze, [...this.parameters.tensors.keys()]))
    })
  }

  optimStep(options: AdamWOptions): Promise<OptimStepReport> {
    return this.inOrder(async () => ({ gradNorm: await this.parameters.adamW(options) }))
  }

  async *generate(prompts: readonly GenerationPrompt[], sampling: Sampling, { signal }: StepOptions = {}): AsyncGenerator<Generation> {
    const { config, eosIds, tokenizer } = this.model
    const limits = { vocabularySize: config.vocabSize, contextLength: config.maxPositions, endTokens: eosIds }
    requirePrompts(prompts, limits)
    // Handles of its own: an optimizer step while the caller holds the iterator changes nothing here.
    const { weights, adapter } = await this.inOrder(async () => this.copy())
    const longest = prompts.reduce((most, { prompt }) => Math.max(most, prompt.length), 0)
    const shared = this.scorer.tables(longest + sampling.maxNewTokens)
    const tables = this.engine.run(() =>
      Object.fromEntries(
        Object.entries(shared).map(([name, { cosine, sine }]) => [name, { cosine: tf.clone(cosine), sine: tf.clone(sine) }]),
      ),
    )
    try {
      yield* new Decoder(this.engine, config, weights, tables, new CompletionRules(sampling, limits, tokenizer), adapter).run(
        prompts,
        signal,
      )
    } finally {
      tf.dispose([...weights.values(), ...Object.values(tables).flatMap(({ cosine, sine }) => [cosine, sine])])
    }
  }

  snapshot(): Promise<FrozenPolicy> {
    return this.inOrder(async () => {
      const copy = this.copy()
      return {
        info: this.info,
        logProbs: (groups) => this.inOrder(() => this.score(groups, copy)),
        dispose: async () => tf.dispose([...copy.weights.values()]),
      }
    })
  }

  saveWeights(folder: string): Promise<void> {
    return this.inOrder(async () => {
      const weights = await this.parameters.downloadWeights()
      if (this.factors === undefined) return writeModelFolder(folder, { ...this.model, weights })
      const merged = mergedWeights(heldWeights(weights), await this.adapter(this.factors))
      await writeModel(folder, { ...this.model, weights: merged }, { dtype: 'float32' })
    })
  }

  saveAdapter(folder: string): Promise<void> {
    return this.inOrder(async () => {
      const { source, config } = this.model
      const given = source.kind === 'adapter' && !this.isReadied ? await readAdapter(source.path, config) : undefined
      const adapter = this.factors ? await this.adapter(this.factors) : given
      if (adapter === undefined) throw new Error('The model has no adapter of its own: none is trained')
      await writeAdapter(folder, adapter, { isTransposed: hasTransposedModules(config) })
    })
  }

  saveState(folder: string): Promise<void> {
    return this.inOrder(async () => writeTrainingState(folder, await this.parameters.downloadState()))
  }

  loadState(folder: string): Promise<void> {
    return this.inOrder(async () => {
      const { factors, parameters } = this
      const shape = factors
        ? { parameters: shapesOf(factorTensors(factors.adapter)), frozen: new Set<string>() }
        : { parameters: parameterShapes(this.model.config), frozen: parameters.frozen }
      parameters.restore(await readTrainingState(folder, shape))
    })
  }

  dispose(): Promise<void> {
    return this.inOrder(async () => {
      this.parameters.dispose()
      this.scorer.dispose()
    })
  }

  private async adapt(lora: LoraPlan): Promise<void> {
    const { source, config } = this.model
    const planned = await plannedAdapter(lora, source, config)
    const { factors } = planned.adapter
    const replaced = source.kind === 'adapter' ? await readAll(await this.model.openBase(), [...factors.keys()].map(weightOf)) : new Map()
    this.parameters.adapt(factorTensors(planned.adapter), replaced)
    requireFiniteWeights(await this.parameters.downloadWeights(), 'training would spread them')
    this.factors = { ...planned, dropout: new Dropout(lora.seed, lora.dropout) }
  }

  /** Today's factors. */
  private async adapter({ adapter }: Factors) {
    return withFactors(adapter, await this.parameters.downloadFactors())
  }

  private get today(): ScoredModel {
    return { weights: this.parameters.tensors, adapter: this.factors?.shape }
  }

  /** Today's model as training computes it. */
  private get trainee(): ScoredModel {
    const { factors, parameters } = this
    if (factors === undefined || factors.shape.dropout === 0) return this.today
    return { ...this.today, dropping: { dropout: factors.dropout, step: parameters.step } }
  }

  /** Today's model under handles of its own; the caller's to free. */
  private copy(): ScoredModel {
    return { weights: this.parameters.copy(), adapter: this.factors?.shape }
  }

  private async score(groups: readonly TokenGroup[], model: ScoredModel): Promise<TokenLogProbs[][]> {
    const results = unscored(groups)
    for (const { parts } of planMicroBatches(selectGroups(groups, this.info), this.microBatchTokens)) {
      for (const part of parts) {
        splitLogProbs(part, await this.engine.read(this.scorer.logProbs(part, model)), results)
        await this.engine.pause()
      }
    }
    requireFiniteScores(groups, results)
    return results
  }

  private async differentiate(groups: readonly TokenGroup[], objective: Objective, signal?: AbortSignal): Promise<ForwardBackwardReport> {
    const logProbs = unscored(groups)
    const results: ObjectiveResult[] = []
    const plan = planMicroBatches(selectGroups(groups, this.info), this.microBatchTokens)
    for (const { parts } of plan) {
      for (const part of parts) {
        await this.engine.pause(signal)
        splitLogProbs(part, await this.engine.read(this.scorer.logProbs(part, this.trainee)), logProbs)
      }
      const { result, cotangentsOf } = applyObjective(parts, groups, objective, logProbs)
      results.push(result)
      for (const part of parts) {
        await this.engine.pause(signal)
        const live = dropIdle(part, cotangentsOf(part))
        if (live.groups.length > 0) this.parameters.accumulate(this.gradients(live.groups, live.cotangents))
      }
    }
    return stepReport(plan, results)
  }

  private gradients(groups: readonly PackedGroup[], cotangents: Float32Array) {
    return this.scorer.gradients(groups, this.trainee, cotangents, this.parameters.trained)
  }

  /** Calls are served one after the other, whatever became of the one before. */
  private inOrder<R>(work: () => Promise<R>): Promise<R> {
    const result = this.last.then(work)
    this.last = result.catch(() => undefined)
    return result
  }
}

async function readAll({ shapes, read }: WeightSource, names: readonly string[]): Promise<Weights> {
  const weights = new Map<string, WeightTensor>()
  for (const name of names) {
    const shape = shapes.get(name)!
    const data = new Float32Array(elements(shape))
    await read(name, data)
    weights.set(name, { shape, data })
  }
  return weights
}

const shapesOf = (weights: Weights) => new Map([...weights].map(([name, { shape }]) => [name, shape]))

/** Leaves out completions whose cotangents are all exactly zero: they need no backward pass. */
function dropIdle(part: readonly SelectedGroup[], cotangents: Float32Array): { groups: PackedGroup[]; cotangents: Float32Array } {
  const alive: number[] = []
  let offset = 0
  const groups = part.flatMap(({ id, prompt, completions, selected }) => {
    const kept = completions.map(({ length }) => {
      const own = cotangents.subarray(offset, (offset += length))
      const live = own.some((value) => value !== 0)
      if (live) alive.push(...own)
      return live
    })
    const isKept = (_: unknown, c: number) => kept[c]!
    return kept.includes(true) ? [{ id, prompt, completions: completions.filter(isKept), selected: selected.filter(isKept) }] : []
  })
  return { groups, cotangents: Float32Array.from(alive) }
}
