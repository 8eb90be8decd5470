import { PlumbError, type AdamWOptions, type GenerationPrompt, type LoraPlan, type Sampling, type Tokenizer } from '@plumbline/core/base'
import {
  elements,
  factorTensors,
  heldWeights,
  mergedWeights,
  plannedAdapter,
  weightOf,
  type Adapter,
  type MomentType,
  type PackedGroup,
  type Weights,
  type WeightSource,
} from '@plumbline/transformer'
import type { RunOptions } from '../decode/generator'
import { AdapterFactors } from '../training/adapter-factors'
import { Trainer, type FrozenWeights } from '../training/trainer'
import type { EnginePlan, HeldModel, OpenModel } from '../worker/model'
import { DeviceAdamW } from './adamw'
import { DevicePlace } from './device-place'
import { DeviceGenerator } from './generator'
import type { DeviceMemory, DeviceTensor } from './memory'
import { DeviceParameters } from './parameters'
import type { DeviceSession } from './session'

/** A model in a GPU's memory, on the WebGPU provider. With adapters it is what `HostModel` is on the CPU. */
export class DeviceModel implements HeldModel {
  private readonly trainer: Trainer<DeviceTensor, DeviceParameters, DeviceSession>
  private readonly optimizer: DeviceAdamW
  private readonly snapshots = new Map<number, FrozenWeights<DeviceTensor>>()
  private nextSnapshot = 0
  private generator: DeviceGenerator | undefined
  /** Factors that are trained; the model's own weights then stay as they are. */
  private factors: AdapterFactors<DeviceParameters> | undefined

  private constructor(
    private readonly model: OpenModel,
    private readonly memory: DeviceMemory,
    private readonly parameters: DeviceParameters,
  ) {
    this.trainer = new Trainer(model.config, parameters, new DevicePlace(model.config, memory))
    this.optimizer = new DeviceAdamW(memory)
  }

  static async open(model: OpenModel, weights: WeightSource, memory: DeviceMemory): Promise<DeviceModel> {
    return new DeviceModel(model, memory, await DeviceParameters.load(memory, weights))
  }

  async logProbs(groups: readonly PackedGroup[], snapshot?: number): Promise<Float32Array> {
    if (snapshot === undefined) return this.trainer.logProbs(groups)
    const frozen = this.snapshots.get(snapshot)
    if (!frozen) throw new Error('The snapshot was disposed')
    // Beside trained factors the model's own weights are those of the day.
    const weights = frozen.adapter ? new Map([...this.parameters.weights, ...frozen.weights]) : frozen.weights
    return this.trainer.logProbs(groups, { ...frozen, weights })
  }

  forward(groups: readonly PackedGroup[], keep: boolean): Promise<Float32Array> {
    return this.trainer.forward(groups, keep)
  }

  /** Waits for nothing: the host describes the next pass while the device computes this one. An error of the device is told by the next call that reads. */
  backward(cotangents: Float32Array): Promise<void> {
    return this.trainer.backward(cotangents)
  }

  async prepareTraining({ frozen, keep, moments, lora }: EnginePlan): Promise<void> {
    this.parameters.plan({ frozen, moments })
    const { nonFinite } = this.parameters
    if (nonFinite !== undefined) {
      const message = `Tensor ${nonFinite} holds numbers that are not finite; training would spread them.`
      throw new PlumbError('PLUMB_NON_FINITE_WEIGHTS', message)
    }
    if (lora) await this.adapt(lora, moments)
    // What was compiled before, to score, knows nothing of it.
    await this.trainer.release()
    await this.trainer.compile(keep)
  }

  drop(): void {
    this.trainer.drop()
  }

  takeGradients(): Promise<Float32Array> {
    return this.trained.copyGradients()
  }

  setGradients(gradients: Float32Array): Promise<void> {
    return this.trained.setGradients(gradients)
  }

  /** Reads the gradients' norms, and does not wait for the update behind them. */
  optimStep(options: AdamWOptions): Promise<number> {
    return this.optimizer.step(this.trained, options)
  }

  async generate(
    prompts: readonly GenerationPrompt[],
    sampling: Sampling,
    tokenizer: Pick<Tokenizer, 'decode'>,
    options: RunOptions,
  ): Promise<void> {
    const { config, eosIds } = this.model
    const model = { config, tokenizer, endTokens: eosIds, adapter: this.factors?.shape }
    this.generator ??= await DeviceGenerator.create(model, this.memory)
    const weights = new Map([...this.parameters.weights, ...(this.factors?.store.weights ?? [])])
    await this.generator.run(prompts, sampling, weights, options)
  }

  snapshot(): number {
    this.snapshots.set(this.nextSnapshot, { weights: this.trained.share(), adapter: this.factors?.shape })
    return this.nextSnapshot++
  }

  releaseSnapshot(snapshot: number): void {
    for (const tensor of this.snapshots.get(snapshot)?.weights.values() ?? []) tensor.release()
    this.snapshots.delete(snapshot)
  }

  weights(): Promise<Weights> {
    return this.parameters.download()
  }

  async pendingWeights(): Promise<WeightSource | undefined> {
    const adapter = await this.adapter()
    return adapter && mergedWeights(heldWeights(await this.weights()), adapter)
  }

  async adapter(): Promise<Adapter | undefined> {
    return this.factors?.adapter(await this.factors.store.download())
  }

  saveState(folder: string): Promise<void> {
    return this.trained.save(folder)
  }

  async loadState(folder: string): Promise<void> {
    this.drop()
    await this.trained.restore(folder)
    await this.memory.fence()
  }

  async release(): Promise<void> {
    for (const snapshot of [...this.snapshots.keys()]) this.releaseSnapshot(snapshot)
    await this.dropGenerator()
    this.trainer.drop()
    await this.trainer.release()
    await this.optimizer.release()
    this.factors?.store.release()
    this.parameters.release()
  }

  private get trained(): DeviceParameters {
    return this.factors?.store ?? this.parameters
  }

  /** Puts the factors that shall be trained beside the base: those that the model was opened with, or new ones. */
  private async adapt(lora: LoraPlan, moments: MomentType | undefined): Promise<void> {
    const { source, config, openBase } = this.model
    const planned = await plannedAdapter(lora, source, config)
    if (source.kind === 'adapter') await this.separate(planned.adapter, await openBase())
    await this.dropGenerator()
    const store = await DeviceParameters.load(this.memory, heldWeights(factorTensors(planned.adapter)))
    store.plan({ frozen: [], moments })
    this.factors?.store.release()
    this.factors = new AdapterFactors(planned, lora, store)
    this.trainer.adapt(this.factors)
  }

  /** Takes what an adapter added out of the weights: they are read again, since a subtraction would not give the base back. */
  private async separate({ factors }: Adapter, base: WeightSource): Promise<void> {
    for (const module of factors.keys()) {
      const name = weightOf(module)
      const { dims } = this.parameters.weights.get(name)!
      const data = new Float32Array(elements(dims))
      await base.read(name, data)
      this.parameters.setWeight(name, await this.memory.upload({ data, dims }))
    }
  }

  private async dropGenerator(): Promise<void> {
    await this.generator?.release()
    this.generator = undefined
  }
}
