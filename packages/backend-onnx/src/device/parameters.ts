import { PlumbError } from '@plumbline/core/base'
import {
  elements,
  nonFiniteTensor,
  openTrainingState,
  writeTrainingState,
  type Weights,
  type WeightSource,
  type WeightTensor,
} from '@plumbline/transformer'
import type { Tensor } from '../runtime/onnxruntime'
import type { PlacedStore } from '../training/place'
import type { StorePlan } from '../training/parameters'
import { parameterGroups, partsOf, type ParameterGroup } from './groups'
import type { DeviceMemory, DeviceTensor } from './memory'

export type DeviceTensors = ReadonlyMap<string, DeviceTensor>

/** As sessions are fed. */
export function nativeTensors(tensors: DeviceTensors): Record<string, Tensor> {
  return Object.fromEntries([...tensors].map(([name, { native }]) => [name, native]))
}

/** First and second moment of the gradients of a group (exp_avg, exp_avg_sq). */
export interface Moments {
  readonly mean: DeviceTensor
  readonly variance: DeviceTensor
}

/** Weights on the device, and, once training begins, running gradients and AdamW's moments of those that are trained. */
export class DeviceParameters implements PlacedStore<DeviceTensor> {
  /** AdamW steps taken. */
  step = 0
  /** Names of parameters that are not trained. */
  frozen: ReadonlySet<string> = new Set()
  private readonly gradientSums = new Map<string, DeviceTensor>()
  private readonly moments = new Map<ParameterGroup, Moments>()
  private grouped: readonly ParameterGroup[] | undefined

  private constructor(
    private readonly memory: DeviceMemory,
    private readonly held: Map<string, DeviceTensor>,
    /** A tensor that was not finite when it was loaded. */
    readonly nonFinite: string | undefined,
  ) {}

  /** Reads one tensor after the other: the host has one at a time. */
  static async load(memory: DeviceMemory, { shapes, read }: WeightSource): Promise<DeviceParameters> {
    const held = new Map<string, DeviceTensor>()
    let nonFinite: string | undefined
    for (const [name, shape] of shapes) {
      const data = new Float32Array(elements(shape))
      await read(name, data)
      nonFinite ??= nonFiniteTensor(new Map([[name, { shape, data }]]))
      held.set(name, await memory.upload({ data, dims: shape }))
    }
    return new DeviceParameters(memory, held, nonFinite)
  }

  get weights(): DeviceTensors {
    return this.held
  }

  /**
   * Before anything is trained.
   * @throws PlumbError PLUMB_MOMENTS_UNSUPPORTED
   */
  plan({ frozen, moments }: StorePlan): void {
    if (moments === 'bfloat16') {
      const message = 'On a GPU the onnx backend holds moments in float32 only; leave moments out or take the device cpu.'
      throw new PlumbError('PLUMB_MOMENTS_UNSUPPORTED', message)
    }
    // Moments belong to groups of what was trained before.
    if (this.moments.size > 0) throw new Error('What is trained cannot change once it is')
    this.frozen = new Set(frozen)
    this.grouped = undefined
  }

  /** Names of those that are trained. */
  get trained(): string[] {
    return [...this.held.keys()].filter((name) => !this.frozen.has(name))
  }

  /** Those that are trained, as the optimizer takes them. */
  get groups(): readonly ParameterGroup[] {
    return (this.grouped ??= parameterGroups(new Map(this.trained.map((name) => [name, this.held.get(name)!.dims]))))
  }

  /** The running sum of gradients; zero at first. */
  async gradient(name: string): Promise<DeviceTensor> {
    const known = this.gradientSums.get(name)
    if (known) return known
    const zeros = await this.memory.zeros(this.held.get(name)!.dims)
    this.gradientSums.set(name, zeros)
    return zeros
  }

  setGradient(name: string, sum: DeviceTensor): void {
    this.gradientSums.get(name)?.release()
    this.gradientSums.set(name, sum)
  }

  /** A copy of all gradients, in the parameters' order. */
  async copyGradients(): Promise<Float32Array> {
    const { trained } = this
    const all = new Float32Array(trained.reduce((sum, name) => sum + elements(this.held.get(name)!.dims), 0))
    let offset = 0
    for (const name of trained) {
      const gradient = await this.memory.download(await this.gradient(name))
      all.set(gradient, offset)
      offset += gradient.length
    }
    return all
  }

  /** Takes what `copyGradients` gives. */
  async setGradients(all: Float32Array): Promise<void> {
    let offset = 0
    for (const name of this.trained) {
      const { dims } = this.held.get(name)!
      const data = all.subarray(offset, (offset += elements(dims)))
      this.setGradient(name, await this.memory.upload({ data, dims }))
    }
  }

  clearGradients(): void {
    for (const gradient of this.gradientSums.values()) gradient.release()
    this.gradientSums.clear()
  }

  /** Zero at first. */
  async momentsOf(group: ParameterGroup): Promise<Moments> {
    const known = this.moments.get(group)
    if (known) return known
    const { dims } = group
    const made = { mean: await this.memory.zeros(dims), variance: await this.memory.zeros(dims) }
    this.moments.set(group, made)
    return made
  }

  setWeight(name: string, weight: DeviceTensor): void {
    this.held.get(name)?.release()
    this.held.set(name, weight)
  }

  setMoments(group: ParameterGroup, moments: Moments): void {
    this.moments.get(group)?.mean.release()
    this.moments.get(group)?.variance.release()
    this.moments.set(group, moments)
  }

  /** Today's weights, kept as they are while training goes on; the caller releases them. */
  share(): DeviceTensors {
    return new Map([...this.held].map(([name, tensor]) => [name, tensor.share()]))
  }

  /** A copy of the weights in the host's memory. */
  async download(): Promise<Weights> {
    const weights = new Map<string, WeightTensor>()
    for (const [name, tensor] of this.held) weights.set(name, { shape: tensor.dims, data: await this.memory.download(tensor) })
    return weights
  }

  /** Writes weights, moments and the step count, whole or not at all. */
  async save(folder: string): Promise<void> {
    const moments = { mean: new Map<string, WeightTensor>(), variance: new Map<string, WeightTensor>() }
    for (const group of this.groups) {
      const found = await this.momentsOf(group)
      for (const part of ['mean', 'variance'] as const) {
        const numbers = await this.memory.download(found[part])
        for (const [name, data] of partsOf(group, numbers)) moments[part].set(name, { shape: this.held.get(name)!.dims, data })
      }
    }
    await writeTrainingState(folder, { weight: await this.download(), ...moments, step: this.step })
  }

  /** Reads what `save` wrote, here or on the CPU, tensor by tensor; nothing is replaced before everything has been checked. */
  async restore(folder: string): Promise<void> {
    const shapes = new Map([...this.held].map(([name, { dims }]) => [name, dims]))
    const { step, read } = await openTrainingState(folder, { parameters: shapes, frozen: this.frozen, moments: 'float32' })
    const uploaded = async (part: 'weight' | 'mean' | 'variance', group: ParameterGroup) => {
      const data = new Float32Array(elements(group.dims))
      for (const [name, numbers] of partsOf(group, data)) await read(part, name, numbers)
      return this.memory.upload({ data, dims: group.dims })
    }
    for (const [name, dims] of shapes) this.setWeight(name, await uploaded('weight', { names: [name], rows: [dims[0] ?? 1], dims }))
    for (const group of this.groups) {
      this.setMoments(group, { mean: await uploaded('mean', group), variance: await uploaded('variance', group) })
    }
    this.step = step
  }

  release(): void {
    this.clearGradients()
    for (const { mean, variance } of this.moments.values()) [mean, variance].forEach((tensor) => tensor.release())
    for (const weight of this.held.values()) weight.release()
    this.moments.clear()
    this.held.clear()
  }
}
