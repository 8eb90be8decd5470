import { PlumbError, type AdamWOptions, type GenerationPrompt, type Sampling, type Tokenizer } from '@plumbline/core/base'
import {
  elements,
  nonFiniteTensor,
  parameterShapes,
  readTrainingState,
  writeTrainingState,
  type PackedGroup,
  type Weights,
  type WeightTensor,
} from '@plumbline/transformer'
import type { RunOptions } from '../decode/generator'
import type { EnginePlan, HeldModel, OpenModel } from '../worker/model'
import { DeviceAdamW } from './adamw'
import { DeviceGenerator } from './generator'
import type { DeviceMemory, DeviceTensor } from './memory'
import { DeviceParameters, type DeviceTensors } from './parameters'
import { DeviceTrainer } from './trainer'

/** A model in a GPU's memory, on the WebGPU provider. */
export class DeviceModel implements HeldModel {
  private readonly trainer: DeviceTrainer
  private readonly optimizer: DeviceAdamW
  private readonly snapshots = new Map<number, DeviceTensors>()
  private nextSnapshot = 0
  private generator: DeviceGenerator | undefined

  private constructor(
    private readonly model: OpenModel,
    private readonly memory: DeviceMemory,
    private readonly parameters: DeviceParameters,
    /** A tensor that was not finite when it was loaded. */
    private readonly nonFinite: string | undefined,
  ) {
    this.trainer = new DeviceTrainer(model.config, memory, parameters)
    this.optimizer = new DeviceAdamW(memory, parameters)
  }

  static async create(model: OpenModel, weights: Weights, memory: DeviceMemory): Promise<DeviceModel> {
    return new DeviceModel(model, memory, await DeviceParameters.upload(memory, weights), nonFiniteTensor(weights))
  }

  async logProbs(groups: readonly PackedGroup[], snapshot?: number): Promise<Float32Array> {
    const weights = snapshot === undefined ? this.parameters.weights : this.snapshots.get(snapshot)
    if (!weights) throw new Error('The snapshot was disposed')
    return this.trainer.logProbs(groups, weights)
  }

  forward(groups: readonly PackedGroup[], keep: boolean): Promise<Float32Array> {
    return this.trainer.forward(groups, keep)
  }

  async backward(cotangents: Float32Array): Promise<void> {
    await this.trainer.backward(cotangents)
    // Nothing has come back that waited for the device: its errors belong to this call, not to the next.
    await this.memory.fence()
  }

  async prepareTraining({ frozen, keep, moments, lora }: EnginePlan): Promise<void> {
    if (lora) {
      const message = 'On a GPU the onnx backend trains no adapters; leave lora out or take the device cpu.'
      throw new PlumbError('PLUMB_LORA_UNSUPPORTED', message)
    }
    if (moments === 'bfloat16') {
      const message = 'On a GPU the onnx backend holds moments in float32 only; leave moments out or take the device cpu.'
      throw new PlumbError('PLUMB_MOMENTS_UNSUPPORTED', message)
    }
    if (this.nonFinite !== undefined) {
      const message = `Tensor ${this.nonFinite} holds numbers that are not finite; training would spread them.`
      throw new PlumbError('PLUMB_NON_FINITE_WEIGHTS', message)
    }
    this.parameters.freeze(frozen)
    return this.trainer.compile(keep)
  }

  drop(): void {
    this.trainer.drop()
  }

  async takeGradients(): Promise<Float32Array> {
    const tensors: DeviceTensor[] = []
    for (const name of this.parameters.trained) tensors.push(await this.parameters.gradient(name))
    const all = new Float32Array(tensors.reduce((sum, { dims }) => sum + elements(dims), 0))
    let offset = 0
    for (const gradient of await this.downloadAll(tensors)) {
      all.set(gradient, offset)
      offset += gradient.length
    }
    return all
  }

  async setGradients(gradients: Float32Array): Promise<void> {
    let offset = 0
    for (const name of this.parameters.trained) {
      const { dims } = this.parameters.weights.get(name)!
      const data = gradients.subarray(offset, (offset += elements(dims)))
      this.parameters.setGradient(name, await this.memory.upload({ data, dims }))
    }
  }

  async optimStep(options: AdamWOptions): Promise<number> {
    const gradNorm = await this.optimizer.step(options)
    await this.memory.fence()
    return gradNorm
  }

  async generate(
    prompts: readonly GenerationPrompt[],
    sampling: Sampling,
    tokenizer: Pick<Tokenizer, 'decode'>,
    options: RunOptions,
  ): Promise<void> {
    const { config, eosIds } = this.model
    this.generator ??= await DeviceGenerator.create({ config, tokenizer, endTokens: eosIds }, this.memory)
    await this.generator.run(prompts, sampling, this.parameters.weights, options)
  }

  snapshot(): number {
    this.snapshots.set(this.nextSnapshot, this.parameters.share())
    return this.nextSnapshot++
  }

  releaseSnapshot(snapshot: number): void {
    for (const tensor of this.snapshots.get(snapshot)?.values() ?? []) tensor.release()
    this.snapshots.delete(snapshot)
  }

  weights(): Promise<Weights> {
    return this.parameters.download()
  }

  adapter(): undefined {
    return undefined
  }

  async saveState(folder: string): Promise<void> {
    const { parameters, memory } = this
    const moments = { mean: new Map<string, WeightTensor>(), variance: new Map<string, WeightTensor>() }
    for (const name of parameters.trained) {
      const found = await parameters.momentsOf(name)
      for (const part of ['mean', 'variance'] as const) {
        moments[part].set(name, { shape: found[part].dims, data: await memory.download(found[part]) })
      }
    }
    await writeTrainingState(folder, { weight: await parameters.download(), ...moments, step: parameters.step })
  }

  async loadState(folder: string): Promise<void> {
    this.drop()
    const { parameters, memory } = this
    const state = await readTrainingState(folder, { parameters: parameterShapes(this.model.config), frozen: parameters.frozen })
    const upload = ({ shape, data }: WeightTensor) => memory.upload({ data, dims: shape })
    for (const [name, weight] of state.weight) parameters.setWeight(name, await upload(weight))
    for (const [name, mean] of state.mean) {
      parameters.setMoments(name, { mean: await upload(mean), variance: await upload(state.variance.get(name)!) })
    }
    parameters.step = state.step
    await memory.fence()
  }

  async release(): Promise<void> {
    for (const snapshot of [...this.snapshots.keys()]) this.releaseSnapshot(snapshot)
    await this.generator?.release()
    await this.trainer.release()
    await this.optimizer.release()
    this.parameters.release()
  }

  private async downloadAll(tensors: readonly DeviceTensor[]): Promise<Float32Array[]> {
    const arrays: Float32Array[] = []
    for (const tensor of tensors) arrays.push(await this.memory.download(tensor))
    return arrays
  }
}
