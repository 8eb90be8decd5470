import type { AdamWOptions, GenerationPrompt, LoraPlan, Sampling, Tokenizer } from '@plumbline/core/base'
import {
  factorTensors,
  heldWeights,
  linearModules,
  mergedWeights,
  plannedAdapter,
  readAdapter,
  requireFiniteWeights,
  scalingOf,
  type Adapter,
  type ModelConfig,
  type MomentType,
  type PackedGroup,
  type Weights,
  type WeightSource,
} from '@plumbline/transformer'
import { Generator, type RunOptions } from '../decode/generator'
import type { HeldTensor, HeldWeights } from '../runtime/held-tensor'
import type { Session, SessionSettings } from '../runtime/session'
import type { EnginePlan, HeldModel, OpenModel, WeightSettings } from '../worker/model'
import { AdapterFactors } from './adapter-factors'
import { adamWStep } from './adamw'
import { BaseWeights, onlyFloats } from './base-weights'
import { HostPlace } from './host-place'
import { ParameterStore } from './parameters'
import { readState, writeState } from './state'
import { Trainer, type FrozenWeights } from './trainer'

/**
 * A model in the host's memory, on the CPU provider. An adapter's factors stand beside the weights they were trained on, which are held as
 * they are stored. Where weights are trained that were opened so, they are read again: as float32, with what the factors add.
 */
export class HostModel implements HeldModel {
  private trainer: Trainer<HeldTensor, ParameterStore, Session>
  private generator: Generator | undefined
  private readonly snapshots = new Map<number, FrozenWeights<HeldTensor>>()
  /** Whether the factors are what is trained. */
  private trainsFactors = false
  private nextSnapshot = 0

  private constructor(
    private readonly model: OpenModel,
    private own: BaseWeights | ParameterStore,
    private factors: AdapterFactors<ParameterStore> | undefined,
    private readonly settings: SessionSettings,
    private readonly prepacked: boolean | undefined,
  ) {
    this.trainer = this.trainerOf(own, factors)
  }

  /**
   * @param weights the model's, with an adapter's part in them.
   * @param held how its weights are held; those beneath an adapter are never trained.
   */
  static async open(model: OpenModel, weights: WeightSource, settings: SessionSettings, held: WeightSettings = {}): Promise<HostModel> {
    const { source, config } = model
    const { frozenBase, frozenWeights, prepackedWeights } = held
    const base = (stored: WeightSource) => BaseWeights.load(frozenWeights === 'float32' ? onlyFloats(stored) : stored)
    if (source.kind === 'adapter') {
      const factors = asOpened(await readAdapter(source.path, config), config)
      return new HostModel(model, await base(await model.openBase()), factors, settings, prepackedWeights)
    }
    const own = frozenBase ? await base(weights) : await ParameterStore.load(weights)
    return new HostModel(model, own, undefined, settings, prepackedWeights)
  }

  async logProbs(groups: readonly PackedGroup[], snapshot?: number, byLayers?: boolean): Promise<Float32Array> {
    if (snapshot === undefined) return this.trainer.logProbs(groups, undefined, byLayers)
    const frozen = this.snapshots.get(snapshot)
    if (!frozen) throw new Error('The snapshot was disposed')
    return this.trainer.logProbs(groups, frozen, byLayers)
  }

  async forward(groups: readonly PackedGroup[], keep: boolean, byLayers?: boolean): Promise<Float32Array> {
    if (!this.trainsFactors) await this.makeWhole()
    return this.trainer.forward(groups, keep, byLayers)
  }

  async backward(cotangents: Float32Array): Promise<void> {
    await this.beginTraining()
    return this.trainer.backward(cotangents)
  }

  async prepareTraining({ frozen, keep, byLayers = false, moments, lora }: EnginePlan): Promise<void> {
    const consequence = 'training would spread them'
    if (lora) await this.adapt(lora, moments)
    else await this.makeWhole()
    if (this.own instanceof BaseWeights) this.own.requireFinite(consequence)
    else requireFiniteWeights(this.own.weights, consequence)
    if (this.own instanceof ParameterStore) this.own.plan({ frozen, moments })
    // What was compiled before, to score, knows nothing of it.
    await this.trainer.release()
    if (!byLayers) await this.trainer.compile(keep)
  }

  drop(): void {
    this.trainer.drop()
  }

  async takeGradients(): Promise<Float32Array> {
    return (await this.beginTraining()).copyGradients()
  }

  async setGradients(gradients: Float32Array): Promise<void> {
    ;(await this.beginTraining()).setGradients(gradients)
  }

  async optimStep(options: AdamWOptions): Promise<number> {
    const trained = await this.beginTraining()
    await this.dropGenerator()
    return adamWStep(trained, options)
  }

  async generate(
    prompts: readonly GenerationPrompt[],
    sampling: Sampling,
    tokenizer: Pick<Tokenizer, 'decode'>,
    options: RunOptions,
  ): Promise<void> {
    const { config, eosIds } = this.model
    const model = { config, weights: this.today, adapter: this.factors?.shape, tokenizer, endTokens: eosIds }
    this.generator ??= await Generator.create(model, { ...this.settings, storeWeights: this.prepacked })
    await this.generator.run(prompts, sampling, options)
  }

  snapshot(): number {
    this.snapshots.set(this.nextSnapshot, this.frozen())
    return this.nextSnapshot++
  }

  releaseSnapshot(snapshot: number): void {
    this.snapshots.delete(snapshot)
  }

  async weights(): Promise<Weights> {
    await this.makeWhole()
    return this.whole.weights
  }

  async pendingWeights(): Promise<WeightSource | undefined> {
    // The largest tensor is made twice over while it is written: not beside a step's activations.
    await this.trainer.spare()
    const { own } = this
    const adapter = this.adapter()
    if (own instanceof ParameterStore && adapter === undefined) return undefined
    const base = own instanceof BaseWeights ? own.source() : heldWeights(own.weights)
    return adapter ? mergedWeights(base, adapter) : base
  }

  adapter(): Adapter | undefined {
    return this.factors?.adapter(this.factors.store.weights)
  }

  async saveState(folder: string): Promise<void> {
    await writeState(folder, await this.beginTraining())
  }

  async loadState(folder: string): Promise<void> {
    await this.dropGenerator()
    const trained = await this.beginTraining()
    this.drop()
    await readState(folder, trained)
  }

  async release(): Promise<void> {
    await this.dropGenerator()
    await this.trainer.release()
  }

  /** Gradients and moments get their place, which moves the weights: a generator would read the old one. */
  private async beginTraining(): Promise<ParameterStore> {
    if (!this.trainsFactors) await this.makeWhole()
    const trained = this.trainsFactors ? this.factors!.store : this.whole
    if (!trained.isTraining) await this.dropGenerator()
    return trained
  }

  /** Puts the factors that shall be trained beside the weights: those that the model was opened with, or new ones. */
  private async adapt(lora: LoraPlan, moments: MomentType | undefined): Promise<void> {
    const { source, config } = this.model
    const planned = await plannedAdapter(lora, source, config)
    await this.dropGenerator()
    const store = ParameterStore.from(factorTensors(planned.adapter))
    store.plan({ frozen: [], moments })
    this.factors = new AdapterFactors(planned, lora, store)
    this.trainsFactors = true
    this.trainer.adapt(this.factors)
  }

  private trainerOf(own: BaseWeights | ParameterStore, factors?: AdapterFactors<ParameterStore>) {
    const { config } = this.model
    return new Trainer<HeldTensor, ParameterStore, Session>(config, own, new HostPlace(config, this.settings), factors)
  }

  /** Weights that are float32 and all the model is, for who trains them. */
  private async makeWhole(): Promise<void> {
    if (this.own instanceof ParameterStore && this.factors === undefined) return
    await this.release()
    const source = await this.model.openMerged()
    // First the old ones go.
    this.own = BaseWeights.none
    this.factors = undefined
    this.trainer = this.trainerOf(this.own)
    this.own = await ParameterStore.load(source)
    this.trainer = this.trainerOf(this.own)
  }

  private get whole(): ParameterStore {
    if (this.own instanceof ParameterStore) return this.own
    throw new Error('The weights are held as they are stored')
  }

  private get today(): HeldWeights {
    return this.factors ? new Map<string, HeldTensor>([...this.own.weights, ...this.factors.store.weights]) : this.own.weights
  }

  /** What nothing trains is not copied. */
  private frozen(): FrozenWeights<HeldTensor> {
    const { own, factors } = this
    if (factors) return { weights: new Map<string, HeldTensor>([...own.weights, ...factors.store.copyWeights()]), adapter: factors.shape }
    return { weights: own instanceof BaseWeights ? own.weights : own.copyWeights() }
  }

  /** The decoding graph may hold the weights themselves, so it ends with them. */
  private async dropGenerator(): Promise<void> {
    await this.generator?.dispose()
    this.generator = undefined
  }
}

/** Factors that a model was opened with, which drop nothing. */
function asOpened(adapter: Adapter, config: ModelConfig): AdapterFactors<ParameterStore> {
  const shape = { modules: new Set(adapter.factors.keys()), scaling: scalingOf(adapter.config), dropout: 0 }
  const modules = linearModules(config).filter(({ name }) => shape.modules.has(name))
  return new AdapterFactors({ adapter, modules, shape }, { dropout: 0, seed: 0 }, ParameterStore.from(factorTensors(adapter)))
}
