import type { AdamWOptions, GenerationPrompt, Sampling, Tokenizer } from '@plumbline/core/base'
import { requireFiniteWeights, type PackedGroup, type Weights, type WeightSource } from '@plumbline/transformer'
import { Generator, type RunOptions } from '../decode/generator'
import type { SessionSettings } from '../runtime/session'
import type { HeldModel, OpenModel } from '../worker/model'
import { adamWStep } from './adamw'
import { ParameterStore } from './parameters'
import { readState, writeState } from './state'
import { Trainer } from './trainer'

/** A model in the host's memory, on the CPU provider. */
export class HostModel implements HeldModel {
  private readonly trainer: Trainer
  private generator: Generator | undefined
  private readonly snapshots = new Map<number, Weights>()
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
    const weights = snapshot === undefined ? this.store.weights : this.snapshots.get(snapshot)
    if (!weights) throw new Error('The snapshot was disposed')
    return this.trainer.logProbs(groups, weights)
  }

  forward(groups: readonly PackedGroup[], keep: boolean): Promise<Float32Array> {
    return this.trainer.forward(groups, keep)
  }

  async backward(cotangents: Float32Array): Promise<void> {
    await this.beginTraining()
    return this.trainer.backward(cotangents)
  }

  async prepareTraining(frozen: readonly string[], keep: boolean): Promise<void> {
    requireFiniteWeights(this.store.weights, 'training would spread them')
    this.store.plan({ frozen })
    // What was compiled before, to score, knows nothing of it.
    await this.trainer.release()
    await this.trainer.compile(keep)
  }

  drop(): void {
    this.trainer.drop()
  }

  async takeGradients(): Promise<Float32Array> {
    await this.beginTraining()
    return this.store.copyGradients()
  }

  async setGradients(gradients: Float32Array): Promise<void> {
    await this.beginTraining()
    this.store.setGradients(gradients)
  }

  async optimStep(options: AdamWOptions): Promise<number> {
    await this.dropGenerator()
    return adamWStep(this.store, options)
  }

  async generate(prompts: readonly GenerationPrompt[], sampling: Sampling, tokenizer: Tokenizer, options: RunOptions): Promise<void> {
    const { config, eosIds } = this.model
    const weights = new Map([...this.store.weights].map(([name, { shape, data }]) => [name, { data, dims: shape }]))
    this.generator ??= await Generator.create({ config, weights, tokenizer, endTokens: eosIds }, this.settings)
    await this.generator.run(prompts, sampling, options)
  }

  snapshot(): number {
    this.snapshots.set(this.nextSnapshot, this.store.copyWeights())
    return this.nextSnapshot++
  }

  releaseSnapshot(snapshot: number): void {
    this.snapshots.delete(snapshot)
  }

  weights(): Promise<Weights> {
    return Promise.resolve(this.store.weights)
  }

  async saveState(folder: string): Promise<void> {
    await this.beginTraining()
    await writeState(folder, this.store)
  }

  async loadState(folder: string): Promise<void> {
    await this.dropGenerator()
    this.drop()
    await this.beginTraining()
    await readState(folder, this.store)
  }

  async release(): Promise<void> {
    await this.dropGenerator()
    await this.trainer.release()
  }

  /** Gradients and moments get their place, which moves the weights: a generator would read the old one. */
  private async beginTraining(): Promise<void> {
    if (!this.store.isTraining) await this.dropGenerator()
  }

  /** The decoding graph may hold the weights themselves, so it ends with them. */
  private async dropGenerator(): Promise<void> {
    await this.generator?.dispose()
    this.generator = undefined
  }
}
