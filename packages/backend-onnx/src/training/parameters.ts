import { PlumbError } from '@plumbline/core/base'
import { elements, heldWeights, type MomentType, type Weights, type WeightSource, type WeightTensor } from '@plumbline/transformer'
import { instantiateKernel, KERNEL_ALIGNMENT, type AdamWKernel } from './adamw-kernel'
import { webAssembly, type WasmMemory } from '@plumbline/transformer'

/** One trainable tensor with its running gradient and AdamW's moments, in one WebAssembly memory. */
export interface Parameter {
  readonly name: string
  readonly shape: readonly number[]
  readonly weight: Float32Array
  readonly gradient: Float32Array
  /** First moment (exp_avg): float32, or the bits of bfloat16. */
  readonly mean: Float32Array | Uint16Array
  /** Second moment (exp_avg_sq), alike. */
  readonly variance: Float32Array | Uint16Array
  /** Works on the memory that holds the four arrays. */
  readonly kernel: AdamWKernel
}

const PAGE = 65_536
/** Largest WebAssembly memory. */
const MAX_BYTES = 65_536 * PAGE
/** Weight, gradient, two moments. */
const ARRAYS = 4

type Shape = readonly [name: string, shape: readonly number[]]

/** What is to be trained, and how its optimizer remembers. */
export interface StorePlan {
  /** Names of parameters that are not trained. */
  readonly frozen: Iterable<string>
  /** `float32` when absent. */
  readonly moments?: MomentType
}

/**
 * Weights, and, from the first backward pass on, gradients and moments of those that are trained.
 *
 * The weights are read straight into the WebAssembly memories where the optimizer works on them, which then grow by what training adds:
 * nothing is ever held twice. Growing detaches every view of the weights that was given out before.
 */
export class ParameterStore {
  /** AdamW steps taken. */
  step = 0
  /** Names of parameters that are not trained. */
  frozen: ReadonlySet<string> = new Set()
  moments: MomentType = 'float32'
  private readonly memories: readonly TensorMemory[]
  private readonly order: readonly string[]
  private trained: readonly Parameter[] | undefined
  private views: Weights | undefined

  /** All weights are zero at first. */
  private constructor(shapes: ReadonlyMap<string, readonly number[]>) {
    this.order = [...shapes.keys()]
    this.memories = grouped(shapes).map((group) => new TensorMemory(group))
  }

  /** Reads every tensor to its place. */
  static async load({ shapes, read }: WeightSource): Promise<ParameterStore> {
    const store = new ParameterStore(shapes)
    for (const [name, { data }] of store.weights) await read(name, data)
    return store
  }

  /** Holds a copy of these. */
  static from(weights: Weights): ParameterStore {
    const { shapes } = heldWeights(weights)
    const store = new ParameterStore(shapes)
    for (const [name, { data }] of store.weights) data.set(weights.get(name)!.data)
    return store
  }

  /** Before anything is trained. */
  plan({ frozen, moments = 'float32' }: StorePlan): void {
    if (this.trained) throw new Error('What is trained cannot change once it is')
    this.frozen = new Set(frozen)
    this.moments = moments
  }

  /** In the model's order. Until training begins; the views of before are then of no length. */
  get weights(): Weights {
    if (!this.views) {
      const views = new Map(this.memories.flatMap((memory) => memory.weights()))
      this.views = new Map(this.order.map((name) => [name, views.get(name)!]))
    }
    return this.views
  }

  /** Whether gradients and moments have their place. */
  get isTraining(): boolean {
    return this.trained !== undefined
  }

  /** Those that are trained; with the first call they get gradients and moments, all zero. */
  get parameters(): readonly Parameter[] {
    if (!this.trained) {
      const found = new Map(this.memories.flatMap((memory) => memory.train(this.frozen, this.moments)).map((one) => [one.name, one]))
      this.trained = this.order.flatMap((name) => found.get(name) ?? [])
      this.views = undefined
    }
    return this.trained
  }

  clearGradients(): void {
    for (const { gradient } of this.trained ?? []) gradient.fill(0)
  }

  /** A copy of all gradients, in the parameters' order. */
  copyGradients(): Float32Array {
    const all = new Float32Array(this.parameters.reduce((sum, { gradient }) => sum + gradient.length, 0))
    let offset = 0
    for (const { gradient } of this.parameters) {
      all.set(gradient, offset)
      offset += gradient.length
    }
    return all
  }

  /** Takes what `copyGradients` gives. */
  setGradients(all: Float32Array): void {
    let offset = 0
    for (const { gradient } of this.parameters) gradient.set(all.subarray(offset, (offset += gradient.length)))
  }

  /** A copy of today's weights. */
  copyWeights(): Weights {
    return new Map([...this.weights].map(([name, { shape, data }]): [string, WeightTensor] => [name, { shape, data: data.slice() }]))
  }
}

/** As few memories as the tensors fit in when they are trained: each reserves gigabytes of address space. */
function grouped(shapes: Iterable<Shape>): Shape[][] {
  const groups: { entries: Shape[]; bytes: number }[] = []
  for (const entry of shapes) {
    const bytes = ARRAYS * weightBytes(entry)
    const last = groups.at(-1)
    if (last && last.bytes + bytes <= MAX_BYTES) {
      last.entries.push(entry)
      last.bytes += bytes
    } else groups.push({ entries: [entry], bytes })
  }
  return groups.map(({ entries }) => entries)
}

/** A run of tensors in one memory: their weights one after the other, behind them what training adds. */
class TensorMemory {
  private readonly memory: WasmMemory
  private readonly ends: number

  constructor(private readonly tensors: readonly Shape[]) {
    for (const tensor of tensors) if (weightBytes(tensor) > MAX_BYTES) throw tooLarge(tensor, MAX_BYTES / 4)
    this.ends = tensors.reduce((sum, tensor) => sum + weightBytes(tensor), 0)
    this.memory = new webAssembly.Memory({ initial: Math.ceil(this.ends / PAGE) })
  }

  weights(): [string, WeightTensor][] {
    let offset = 0
    return this.tensors.map(([name, shape]) => {
      const data = new Float32Array(this.memory.buffer, offset, elements(shape))
      offset += aligned(data.byteLength)
      return [name, { shape, data }]
    })
  }

  /** Grows by gradients and moments, which are zero: memory of the system's that nobody has written to is, and costs nothing yet. */
  train(frozen: ReadonlySet<string>, moments: MomentType): Parameter[] {
    const trained = this.tensors.filter(([name]) => !frozen.has(name))
    if (trained.length === 0) return []
    const momentBytes = (tensor: Shape) => (moments === 'float32' ? weightBytes(tensor) : aligned(2 * elements(tensor[1])))
    const bytes = trained.reduce((sum, tensor) => sum + weightBytes(tensor) + 2 * momentBytes(tensor), this.ends)
    if (bytes > MAX_BYTES) throw tooLarge(trained[0]!, MAX_BYTES / ARRAYS / 4)
    const missing = Math.ceil(bytes / PAGE) - this.memory.buffer.byteLength / PAGE
    if (missing > 0) this.memory.grow(missing)
    const kernel = instantiateKernel(this.memory)
    const { buffer } = this.memory
    const weights = new Map(this.weights())
    let offset = this.ends
    const place = (size: number) => (offset += size) - size
    return trained.map((tensor) => {
      const [name, shape] = tensor
      const length = elements(shape)
      const gradient = new Float32Array(buffer, place(weightBytes(tensor)), length)
      const Numbers = moments === 'float32' ? Float32Array : Uint16Array
      const [mean, variance] = [0, 1].map(() => new Numbers(buffer, place(momentBytes(tensor)), length))
      return { name, shape, weight: weights.get(name)!.data, gradient, mean: mean!, variance: variance!, kernel }
    })
  }
}

const weightBytes = ([, shape]: Shape) => aligned(4 * elements(shape))

function tooLarge([name, shape]: Shape, most: number): PlumbError {
  const message = `The tensor has ${elements(shape)} numbers; this engine takes tensors of up to ${most} here.`
  return new PlumbError('PLUMB_MODEL_TOO_LARGE', message, name)
}

/** The padding after an array is zero in all four, and stays zero. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / KERNEL_ALIGNMENT) * KERNEL_ALIGNMENT
}
