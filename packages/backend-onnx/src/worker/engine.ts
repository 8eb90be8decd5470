import type { AdamWOptions, Generation, GenerationPrompt, ModelSource, Sampling, Tokenizer } from '@plumbline/core/base'
import {
  loadTokenizer,
  loadUntokenizedModel,
  parameterCount,
  tokenizerPath,
  writeModelFolder,
  type PackedGroup,
  type TokenizerIds,
  type UntokenizedModel,
  type Weights,
} from '@plumbline/transformer'
import { Generator } from '../decode/generator'
import { adamWStep } from '../training/adamw'
import { ParameterStore } from '../training/parameters'
import { readState, writeState } from '../training/state'
import { Trainer } from '../training/trainer'
import { keptRowBytes } from '../training/training-graph'

/** What the worker offers; `generate` emits `Generation` events. */
export interface EngineMethods {
  open(source: ModelSource, tokenizer: TokenizerIds, settings: EngineSettings): Promise<OpenedModel>
  logProbs(groups: readonly PackedGroup[], snapshot?: number): Promise<Float32Array>
  forward(groups: readonly PackedGroup[], keep: boolean): Promise<Float32Array>
  backward(cotangents: Float32Array): Promise<void>
  /** Freezes parameters and compiles what a training step runs. */
  prepareTraining(frozen: readonly string[], keep: boolean): Promise<void>
  drop(): void
  /** The accumulated gradients of all trained parameters, one after the other. */
  takeGradients(): Float32Array
  /** Replaces them. */
  setGradients(gradients: Float32Array): void
  optimStep(options: AdamWOptions): Promise<number>
  generate(prompts: readonly GenerationPrompt[], sampling: Sampling): Promise<void>
  snapshot(): number
  releaseSnapshot(snapshot: number): void
  saveWeights(folder: string): Promise<void>
  saveState(folder: string): Promise<void>
  loadState(folder: string): Promise<void>
  close(): Promise<void>
}

export interface EngineSettings {
  readonly threads: number
}

export interface OpenedModel {
  readonly architecture: string
  readonly parameters: number
  readonly contextLength: number
  readonly vocabularySize: number
  /** Bytes kept for the backward pass per row of a micro-batch. */
  readonly rowBytes: number
}

interface OpenModel extends Omit<UntokenizedModel, 'weights'> {
  readonly source: ModelSource
}

/** How the call that is being served talks to its caller. */
export interface CallContext {
  readonly emit: (event: unknown) => void
  readonly aborted: () => boolean
}

/** The model, its optimizer state and its sessions, in the worker thread. */
export class Engine implements EngineMethods {
  context: CallContext = { emit: () => undefined, aborted: () => false }
  private opened: { readonly model: OpenModel; readonly store: ParameterStore; readonly trainer: Trainer } | undefined
  private settings: EngineSettings = { threads: 1 }
  private generator: Generator | undefined
  /** Loaded with the first call that generates. */
  private tokenizer: Tokenizer | undefined
  private readonly snapshots = new Map<number, Weights>()
  private nextSnapshot = 0

  async open(source: ModelSource, tokenizer: TokenizerIds, settings: EngineSettings): Promise<OpenedModel> {
    // The weights move to the store; a second reference would keep what it replaces in memory.
    const { weights, ...model } = await loadUntokenizedModel(source, tokenizer)
    const store = new ParameterStore(weights)
    this.settings = settings
    this.opened = { model: { ...model, source }, store, trainer: new Trainer(model.config, store, settings) }
    const { config } = model
    return {
      architecture: config.modelType,
      parameters: parameterCount(config),
      contextLength: config.maxPositions,
      vocabularySize: config.vocabSize,
      rowBytes: keptRowBytes(config),
    }
  }

  async logProbs(groups: readonly PackedGroup[], snapshot?: number): Promise<Float32Array> {
    const { trainer, store } = this.model()
    const weights = snapshot === undefined ? store.weights : this.snapshots.get(snapshot)
    if (!weights) throw new Error('The snapshot was disposed')
    return trainer.logProbs(groups, weights)
  }

  forward(groups: readonly PackedGroup[], keep: boolean): Promise<Float32Array> {
    return this.model().trainer.forward(groups, keep)
  }

  backward(cotangents: Float32Array): Promise<void> {
    return this.model().trainer.backward(cotangents)
  }

  async prepareTraining(frozen: readonly string[], keep: boolean): Promise<void> {
    const { store, trainer } = this.model()
    store.freeze(frozen)
    // What was compiled before, to score, knows nothing of it.
    await trainer.release()
    await trainer.compile(keep)
  }

  drop(): void {
    this.model().trainer.drop()
  }

  takeGradients(): Float32Array {
    return this.model().store.copyGradients()
  }

  setGradients(gradients: Float32Array): void {
    this.model().store.setGradients(gradients)
  }

  async optimStep(options: AdamWOptions): Promise<number> {
    await this.dropGenerator()
    return adamWStep(this.model().store, options)
  }

  async generate(prompts: readonly GenerationPrompt[], sampling: Sampling): Promise<void> {
    const { context } = this
    const { model, store } = this.model()
    const weights = new Map([...store.weights].map(([name, { shape, data }]) => [name, { data, dims: shape }]))
    this.tokenizer ??= await loadTokenizer(tokenizerPath(model.source))
    this.generator ??= await Generator.create(
      { config: model.config, weights, tokenizer: this.tokenizer, endTokens: model.eosIds },
      this.settings,
    )
    await this.generator.run(prompts, sampling, {
      onGeneration: (generation: Generation) => context.emit(generation),
      checkAborted: () => {
        if (context.aborted()) throw new Error('Generation was aborted')
      },
    })
  }

  snapshot(): number {
    this.snapshots.set(this.nextSnapshot, this.model().store.copyWeights())
    return this.nextSnapshot++
  }

  releaseSnapshot(snapshot: number): void {
    this.snapshots.delete(snapshot)
  }

  async saveWeights(folder: string): Promise<void> {
    const { model, store } = this.model()
    await writeModelFolder(folder, { ...model, weights: store.weights })
  }

  async saveState(folder: string): Promise<void> {
    await writeState(folder, this.model().store)
  }

  async loadState(folder: string): Promise<void> {
    await this.dropGenerator()
    this.drop()
    await readState(folder, this.model().store)
  }

  async close(): Promise<void> {
    await this.dropGenerator()
    await this.opened?.trainer.release()
    this.opened = undefined
  }

  private model() {
    if (!this.opened) throw new Error('No model is open')
    return this.opened
  }

  /** The decoding graph may hold the weights themselves, so it ends with them. */
  private async dropGenerator(): Promise<void> {
    await this.generator?.dispose()
    this.generator = undefined
  }
}
