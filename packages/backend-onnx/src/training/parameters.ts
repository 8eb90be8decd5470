import { PlumbError } from '@plumbline/core/base'
import type { Weights, WeightTensor } from '@plumbline/transformer'
import { instantiateKernel, KERNEL_ALIGNMENT, type AdamWKernel } from './adamw-kernel'
import { webAssembly } from './web-assembly'

/** One trainable tensor with its running gradient and AdamW's moments, side by side in one WebAssembly memory. */
export interface Parameter {
  readonly name: string
  readonly shape: readonly number[]
  readonly weight: Float32Array
  readonly gradient: Float32Array
  /** First moment (exp_avg). */
  readonly mean: Float32Array
  /** Second moment (exp_avg_sq). */
  readonly variance: Float32Array
  /** Works on the memory that holds the four arrays. */
  readonly kernel: AdamWKernel
}

const PAGE = 65_536
/** Largest WebAssembly memory. */
const MAX_BYTES = 65_536 * PAGE
const ARRAYS = 4

/** Weights, and, from the first backward pass on, gradients and moments of those that are trained. */
export class ParameterStore {
  /** AdamW steps taken. */
  step = 0
  /** Names of parameters that are not trained. */
  frozen: ReadonlySet<string> = new Set()
  private trained: readonly Parameter[] | undefined
  private order: readonly string[] = []

  constructor(private initial: Weights) {}

  /** Before anything is trained. */
  freeze(names: readonly string[]): void {
    if (this.trained) throw new Error('Parameters cannot be frozen once they are trained')
    this.frozen = new Set(names)
  }

  get weights(): Weights {
    if (!this.trained) return this.initial
    const trained = new Map(this.trained.map(({ name, shape, weight }) => [name, { shape, data: weight }]))
    return this.frozen.size === 0 ? trained : new Map(this.order.map((name) => [name, trained.get(name) ?? this.initial.get(name)!]))
  }

  /** Those that are trained. */
  get parameters(): readonly Parameter[] {
    if (!this.trained) {
      this.order = [...this.initial.keys()]
      this.trained = allocate(new Map([...this.initial].filter(([name]) => !this.frozen.has(name))))
      this.initial = new Map([...this.initial].filter(([name]) => this.frozen.has(name)))
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

/** As few memories as the tensors fit in: each reserves gigabytes of address space. */
function allocate(weights: Weights): Parameter[] {
  const memories: { entries: [string, WeightTensor][]; bytes: number }[] = []
  for (const entry of weights) {
    const bytes = ARRAYS * aligned(entry[1].data.byteLength)
    if (bytes > MAX_BYTES) {
      const message = `The tensor has ${entry[1].data.length} numbers; this engine trains tensors of up to ${MAX_BYTES / ARRAYS / 4}.`
      throw new PlumbError('PLUMB_MODEL_TOO_LARGE', message, entry[0])
    }
    const last = memories.at(-1)
    if (last && last.bytes + bytes <= MAX_BYTES) {
      last.entries.push(entry)
      last.bytes += bytes
    } else memories.push({ entries: [entry], bytes })
  }
  return memories.flatMap(({ entries, bytes }) => {
    const memory = new webAssembly.Memory({ initial: Math.ceil(bytes / PAGE) })
    const kernel = instantiateKernel(memory)
    let offset = 0
    const array = (length: number) => {
      const view = new Float32Array(memory.buffer, offset, length)
      offset += aligned(view.byteLength)
      return view
    }
    return entries.map(([name, { shape, data }]) => {
      const [weight, gradient, mean, variance] = Array.from({ length: ARRAYS }, () => array(data.length))
      weight!.set(data)
      return { name, shape, weight: weight!, gradient: gradient!, mean: mean!, variance: variance!, kernel }
    })
  })
}

/** The padding after an array is zero in all four, and stays zero. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / KERNEL_ALIGNMENT) * KERNEL_ALIGNMENT
}
