import type { WeightTensor, Weights } from '@plumbline/transformer'
import type { Tensor } from '../runtime/onnxruntime'
import type { DeviceMemory, DeviceTensor } from './memory'

export type DeviceTensors = ReadonlyMap<string, DeviceTensor>

/** As sessions are fed. */
export function nativeTensors(tensors: DeviceTensors): Record<string, Tensor> {
  return Object.fromEntries([...tensors].map(([name, { native }]) => [name, native]))
}

/** First and second moment of a gradient (exp_avg, exp_avg_sq). */
export interface Moments {
  readonly mean: DeviceTensor
  readonly variance: DeviceTensor
}

/** Weights on the device, and, once training begins, running gradients and AdamW's moments of those that are trained. */
export class DeviceParameters {
  /** AdamW steps taken. */
  step = 0
  /** Names of parameters that are not trained. */
  frozen: ReadonlySet<string> = new Set()
  private readonly gradientSums = new Map<string, DeviceTensor>()
  private readonly moments = new Map<string, Moments>()

  private constructor(
    private readonly memory: DeviceMemory,
    private readonly held: Map<string, DeviceTensor>,
  ) {}

  static async upload(memory: DeviceMemory, weights: Weights): Promise<DeviceParameters> {
    const held = new Map<string, DeviceTensor>()
    for (const [name, { shape, data }] of weights) held.set(name, await memory.upload({ data, dims: shape }))
    return new DeviceParameters(memory, held)
  }

  get weights(): DeviceTensors {
    return this.held
  }

  /** Before anything is trained. */
  freeze(names: readonly string[]): void {
    this.frozen = new Set(names)
  }

  /** Names of those that are trained. */
  get trained(): string[] {
    return [...this.held.keys()].filter((name) => !this.frozen.has(name))
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

  clearGradients(): void {
    for (const gradient of this.gradientSums.values()) gradient.release()
    this.gradientSums.clear()
  }

  /** Zero at first. */
  async momentsOf(name: string): Promise<Moments> {
    const known = this.moments.get(name)
    if (known) return known
    const { dims } = this.held.get(name)!
    const made = { mean: await this.memory.zeros(dims), variance: await this.memory.zeros(dims) }
    this.moments.set(name, made)
    return made
  }

  setWeight(name: string, weight: DeviceTensor): void {
    this.held.get(name)?.release()
    this.held.set(name, weight)
  }

  setMoments(name: string, moments: Moments): void {
    this.moments.get(name)?.mean.release()
    this.moments.get(name)?.variance.release()
    this.moments.set(name, moments)
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

  release(): void {
    this.clearGradients()
    for (const { mean, variance } of this.moments.values()) [mean, variance].forEach((tensor) => tensor.release())
    for (const weight of this.held.values()) weight.release()
    this.moments.clear()
    this.held.clear()
  }
}
