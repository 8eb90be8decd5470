import type { AdamWOptions, GenerationPrompt, LoraPlan, Sampling, Tokenizer } from '@plumbline/core/base'
import {
  plannedAdapter,
  requireFiniteWeights,
  weightOf,
  type Adapter,
  type MomentType,
  type PackedGroup,
  type Weights,
  type WeightSource,
} from '@plumbline/transformer'
import { Generator, type RunOptions } from '../decode/generator'
import type { SessionSettings } from '../runtime/session'
import type { EnginePlan, HeldModel, OpenModel } from '../worker/model'
import { adamWStep } from './adamw'
import { HostAdapter } from './host-adapter'
import { ParameterStore } from './parameters'
import { readState, writeState } from './state'
import { Trainer, type FrozenWeights } from './trainer'

/**
 * A model in the host's memory, on the CPU provider. One that is opened with an adapter is what the two make together until an adapter is
 * trained: then the base is read again, and the factors stand beside it.
 */
export class HostModel implements HeldModel {
  private readonly trainer: Trainer
  private generator: Generator | undefined
  private readonly snapshots = new Map<number, FrozenWeights>()
  /** Factors that are trained; the model's own weights then stay as they are. */
  private factors: HostAdapter | undefined
  private nextSnapshot = 0

  private constructor(
    private readonly model: OpenModel,
    private readonly store: ParameterStore,
    private readonly settings: SessionSettings,
  ) {
    this.trainer = new Trainer(model.config, store, settings)
  }

  static async open(model: OpenModel, weights: WeightSource, settings: SessionSettings): Promise<HostModel> {
    return new HostModel(model, await ParameterStore.load(weights), settings)
  }

  async logProbs(groups: readonly PackedGroup[], snapshot?: number): Promise<Float32Array> {
    if (snapshot === undefined) return this.trainer.logProbs(groups)
    const frozen = this.snapshots.get(snapshot)
    if (!frozen) throw new Error('The snapshot was disposed')
    // Beside trained factors the model's own weights are those of the day.
    const weights = frozen.isAdapted ? new Map([...this.store.weights, ...frozen.weights]) : frozen.weights
    return this.trainer.logProbs(groups, { ...frozen, weights })
  }

  forward(groups: readonly PackedGroup[], keep: boolean): Promise<Float32Array> {
    return this.trainer.forward(groups, keep)
  }

  async backward(cotangents: Float32Array): Promise<void> {
    await this.beginTraining()
    return this.trainer.backward(cotangents)
  }

  async prepareTraining({ frozen, keep, moments, lora }: EnginePlan): Promise<void> {
    if (lora) await this.adapt(lora, moments)
    requireFiniteWeights(this.store.weights, 'training would spread them')
    this.store.plan({ frozen, moments })
    // What was compiled before, to score, knows nothing of it.
    await this.trainer.release()
    await this.trainer.compile(keep)
  }

  drop(): void {
    this.trainer.drop()
  }

  async takeGradients(): Promise<Float32Array> {
    await this.beginTraining()
    return this.trained.copyGradients()
  }

  async setGradients(gradients: Float32Array): Promise<void> {
    await this.beginTraining()
    this.trained.setGradients(gradients)
  }

  async optimStep(options: AdamWOptions): Promise<number> {
    await this.dropGenerator()
    return adamWStep(this.trained, options)
  }

  async generate(
    prompts: readonly GenerationPrompt[],
    sampling: Sampling,
    tokenizer: Pick<Tokenizer, 'decode'>,
    options: RunOptions,
  ): Promise<void> {
    const { config, eosIds } = this.model
    const all = [...this.store.weights, ...(this.factors?.store.weights ?? [])]
    const weights = new Map(all.map(([name, { shape, data }]) => [name, { data, dims: shape }]))
    const model = { config, weights, adapter: this.factors?.shape, tokenizer, endTokens: eosIds }
    this.generator ??= await Generator.create(model, this.settings)
    await this.generator.run(prompts, sampling, options)
  }

  snapshot(): number {
    this.snapshots.set(this.nextSnapshot, { weights: this.trained.copyWeights(), isAdapted: this.factors !== undefined })
    return this.nextSnapshot++
  }

  releaseSnapshot(snapshot: number): void {
    this.snapshots.delete(snapshot)
  }

  weights(): Promise<Weights> {
    return Promise.resolve(this.store.weights)
  }

  adapter(): Adapter | undefined {
    return this.factors?.adapter
  }

  async saveState(folder: string): Promise<void> {
    await this.beginTraining()
    await writeState(folder, this.trained)
  }

  async loadState(folder: string): Promise<void> {
    await this.dropGenerator()
    this.drop()
    await this.beginTraining()
    await readState(folder, this.trained)
  }

  async release(): Promise<void> {
    await this.dropGenerator()
    await this.trainer.release()
  }

  /** Gradients and moments get their place, which moves the weights: a generator would read the old one. */
  private async beginTraining(): Promise<void> {
    if (!this.trained.isTraining) await this.dropGenerator()
  }

  private get trained(): ParameterStore {
    return this.factors?.store ?? this.store
  }

  /** Puts the factors that shall be trained beside the base: those that the model was opened with, or new ones. */
  private async adapt(lora: LoraPlan, moments: MomentType | undefined): Promise<void> {
    const { source, config, openBase } = this.model
    const planned = await plannedAdapter(lora, source, config)
    if (source.kind === 'adapter') await this.separate(planned.adapter, await openBase())
    await this.dropGenerator()
    this.factors = new HostAdapter(planned, lora, moments)
    this.trainer.adapt(this.factors)
  }

  /** Takes what an adapter added out of the weights: they are read again, since a subtraction would not give the base back. */
  private async separate({ factors }: Adapter, base: WeightSource): Promise<void> {
    for (const module of factors.keys()) {
      const name = weightOf(module)
      await base.read(name, this.store.weights.get(name)!.data)
    }
  }

  /** The decoding graph may hold the weights themselves, so it ends with them. */
  private async dropGenerator(): Promise<void> {
    await this.generator?.dispose()
    this.generator = undefined
  }
}
