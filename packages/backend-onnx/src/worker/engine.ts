import type { AdamWOptions, Generation, GenerationPrompt, ModelSource, Sampling, Tokenizer } from '@plumbline/core/base'
import {
  hasTransposedModules,
  loadTokenizer,
  openUntokenizedModel,
  parameterCount,
  readAdapter,
  tokenizerPath,
  writeAdapter,
  writeModel,
  writeModelFolder,
  type PackedGroup,
  type TokenizerIds,
} from '@plumbline/transformer'
import { DeviceMemory } from '../device/memory'
import { DeviceModel } from '../device/device-model'
import type { Device } from '../graph/graph'
import { HostModel } from '../training/host-model'
import { keptRowBytes } from '../training/training-graph'
import type { Demand } from './errors'
import type { EnginePlan, HeldModel, OpenModel, WeightSettings } from './model'
import { hasStops } from './stops'

/** A completion that goes on. */
export interface PartialCompletion {
  readonly partial: Pick<Generation, 'id' | 'candidate' | 'tokens'>
}

/** What an engine offers on top of the model it holds; `generate` emits `Generation` events, with texts where there are stop strings; where it is watched, `PartialCompletion` ones too. */
export interface EngineMethods extends Omit<HeldModel, 'generate' | 'weights' | 'pendingWeights' | 'adapter' | 'release'> {
  /** Opens the GPU before anything is loaded, so that the adapter can be looked at. */
  openDevice(): Promise<void>
  open(source: ModelSource, tokenizer: TokenizerIds, settings: EngineSettings): Promise<OpenedModel>
  generate(prompts: readonly GenerationPrompt[], sampling: Sampling, watched?: boolean): Promise<void>
  saveWeights(folder: string): Promise<void>
  saveAdapter(folder: string): Promise<void>
  close(): Promise<void>
}

export interface EngineSettings extends WeightSettings {
  readonly device: Device
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

/** How the call that is being served talks to its caller. */
export interface CallContext {
  readonly emit: (event: unknown) => void
  readonly aborted: () => boolean
}

/** The model, its optimizer state and its sessions, in the engine's thread or process. */
export class Engine implements EngineMethods {
  context: CallContext = { emit: () => undefined, aborted: () => false }
  private readonly memory = new DeviceMemory()
  /** Loaded with the first call that looks for stop strings. */
  private tokenizer: Tokenizer | undefined
  /** Texts are written where the policy is, which has the tokenizer; a second one takes longer to load, and more memory, than many a model. */
  private readonly texts: Pick<Tokenizer, 'decode'> = { decode: (ids) => this.tokenizer?.decode(ids) ?? '' }
  /** Whether it was said how the model is trained: an adapter that it was opened with is then no longer what it was. */
  private isReadied = false
  private opened: { readonly model: OpenModel; readonly held: HeldModel } | undefined
  /** What the system is asked for, for errors that say it refused. */
  demand: Demand = { threads: 1 }

  /** Bytes of all tensors on a device that has memory of its own. */
  get deviceBytes(): number {
    return this.memory.bytes
  }

  async openDevice(): Promise<void> {
    await this.memory.fence()
  }

  async open(source: ModelSource, tokenizer: TokenizerIds, { device, threads, ...holding }: EngineSettings): Promise<OpenedModel> {
    this.demand = { threads }
    const { weights, ...loaded } = await openUntokenizedModel(source, tokenizer)
    const base = source.kind === 'adapter' ? source.base : source
    const openBase = async () => (await openUntokenizedModel(base, tokenizer)).weights
    const openMerged = async () => (await openUntokenizedModel(source, tokenizer)).weights
    const model = { ...loaded, source, openBase, openMerged }
    this.demand = { threads, parameters: parameterCount(loaded.config) }
    const held =
      device === 'cpu' ? await HostModel.open(model, weights, { threads }, holding) : await DeviceModel.open(model, weights, this.memory)
    this.opened = { model, held }
    const { config } = model
    return {
      architecture: config.modelType,
      parameters: parameterCount(config),
      contextLength: config.maxPositions,
      vocabularySize: config.vocabSize,
      rowBytes: keptRowBytes(config),
    }
  }

  async logProbs(groups: readonly PackedGroup[], snapshot?: number, byLayers?: boolean): Promise<Float32Array> {
    return this.held.logProbs(groups, snapshot, byLayers)
  }

  async forward(groups: readonly PackedGroup[], keep: boolean, byLayers?: boolean): Promise<Float32Array> {
    return this.held.forward(groups, keep, byLayers)
  }

  async backward(cotangents: Float32Array): Promise<void> {
    return this.held.backward(cotangents)
  }

  async prepareTraining(plan: EnginePlan): Promise<void> {
    this.isReadied = true
    return this.held.prepareTraining(plan)
  }

  drop(): void {
    this.held.drop()
  }

  async takeGradients(): Promise<Float32Array> {
    return this.held.takeGradients()
  }

  async setGradients(gradients: Float32Array): Promise<void> {
    return this.held.setGradients(gradients)
  }

  async optimStep(options: AdamWOptions): Promise<number> {
    return this.held.optimStep(options)
  }

  async generate(prompts: readonly GenerationPrompt[], sampling: Sampling, watched = false): Promise<void> {
    const { context } = this
    if (hasStops(sampling)) this.tokenizer ??= await loadTokenizer(tokenizerPath(this.model().model.source))
    await this.held.generate(prompts, sampling, this.texts, {
      onGeneration: (generation: Generation) => context.emit(generation),
      ...(watched
        ? { onStep: ({ id, candidate, tokens }) => context.emit({ partial: { id, candidate, tokens } } satisfies PartialCompletion) }
        : {}),
      checkAborted: () => {
        if (context.aborted()) throw new Error('Generation was aborted')
      },
    })
  }

  snapshot(): number {
    return this.held.snapshot()
  }

  releaseSnapshot(snapshot: number): void {
    this.held.releaseSnapshot(snapshot)
  }

  async saveWeights(folder: string): Promise<void> {
    const { model, held } = this.model()
    const pending = await held.pendingWeights?.()
    if (pending) await writeModel(folder, { ...model, weights: pending }, { dtype: 'float32' })
    else await writeModelFolder(folder, { ...model, weights: await held.weights() })
  }

  async saveAdapter(folder: string): Promise<void> {
    const { model, held } = this.model()
    const { source, config } = model
    const given = source.kind === 'adapter' && !this.isReadied ? await readAdapter(source.path, config) : undefined
    const adapter = (await held.adapter()) ?? given
    if (adapter === undefined) throw new Error('The model has no adapter of its own: none is trained')
    await writeAdapter(folder, adapter, { isTransposed: hasTransposedModules(config) })
  }

  async saveState(folder: string): Promise<void> {
    await this.held.saveState(folder)
  }

  async loadState(folder: string): Promise<void> {
    await this.held.loadState(folder)
  }

  async close(): Promise<void> {
    await this.opened?.held.release()
    await this.memory.release()
    this.opened = undefined
  }

  private get held(): HeldModel {
    return this.model().held
  }

  private model() {
    if (!this.opened) throw new Error('No model is open')
    return this.opened
  }
}
