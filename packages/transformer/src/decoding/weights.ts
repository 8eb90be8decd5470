import { webAssembly } from '../web-assembly'
import { POWERS } from './exponential'
import { WEIGHTS_MODULE } from './weights-module'

/** Words whose weights are summed together. */
export const BLOCK = 256

/** Words fall into buckets by their depth, how many nats they are below the likeliest one; the last bucket takes the rest. */
export const BUCKETS_PER_NAT = 16
export const BUCKETS = 45 * BUCKETS_PER_NAT

/** Exports of weights.wat. Places and lengths are in bytes. */
interface Kernel {
  largest(x: number, bytes: number, maxima: number): number
  weigh(x: number, bytes: number, sums: number, largest: number, inverse: number): number
  weighByDepth(x: number, bytes: number, mass: number, largest: number, inverse: number, smallest: number): number
}

let compiled: object | undefined

/**
 * Weights e^((logit − largest) / temperature) of a row of logits, in float64: what is computed for every word of the vocabulary, in WebAssembly. A word costs 1 to
 * 4 nanoseconds there and 6 to 25 in JavaScript.
 */
export class WordWeights {
  /** The row; words that are not used must be −Infinity. [a multiple of BLOCK] */
  readonly logits: Float32Array
  /** Of each block, by `largest`. */
  readonly maxima: Float32Array
  /** Of each block, by `weigh`. */
  readonly sums: Float64Array
  /** By depth, by `weighByDepth`. [BUCKETS] */
  readonly mass: Float64Array
  private readonly kernel: Kernel

  /** @param words of the vocabulary */
  constructor(words: number) {
    const blocks = Math.ceil(words / BLOCK)
    const bytes = POWERS.byteLength + 8 * (BUCKETS + blocks) + 4 * (blocks + 1) + 4 * BLOCK * blocks
    const memory = new webAssembly.Memory({ initial: Math.ceil((bytes + 16) / 2 ** 16) })
    const { buffer } = memory
    // The kernel looks for the table at 0.
    new Float64Array(buffer, 0, POWERS.length).set(POWERS)
    this.mass = new Float64Array(buffer, POWERS.byteLength, BUCKETS)
    this.sums = new Float64Array(buffer, endOf(this.mass), blocks)
    this.logits = new Float32Array(buffer, 16 * Math.ceil(endOf(this.sums) / 16), BLOCK * blocks).fill(-Infinity)
    this.maxima = new Float32Array(buffer, endOf(this.logits), blocks)
    compiled ??= new webAssembly.Module(Uint8Array.from(Buffer.from(WEIGHTS_MODULE, 'base64')))
    this.kernel = new webAssembly.Instance(compiled, { host: { memory } }).exports as Kernel
  }

  /** The largest logit, NaN where one is NaN. Fills `maxima`. */
  largest(): number {
    return this.kernel.largest(this.logits.byteOffset, this.logits.byteLength, this.maxima.byteOffset)
  }

  /** The sum of the weights of the first blocks, which fills their `sums`. */
  weigh(blocks: number, largest: number, inverseTemperature: number): number {
    const bytes = 4 * BLOCK * blocks
    return this.kernel.weigh(this.logits.byteOffset, bytes, this.sums.byteOffset, largest, inverseTemperature)
  }

  /** The sum of the weights of logits that are not below `smallest`. Fills `mass`; reads `maxima`, and only blocks that have such logits. */
  weighByDepth(largest: number, inverseTemperature: number, smallest: number): number {
    const { maxima, mass, logits, kernel } = this
    mass.fill(0)
    let total = 0
    for (let block = 0; block < maxima.length;) {
      const first = block
      while (block < maxima.length && maxima[block]! >= smallest) block++
      const place = logits.byteOffset + 4 * BLOCK * first
      if (block > first) {
        total += kernel.weighByDepth(place, 4 * BLOCK * (block - first), mass.byteOffset, largest, inverseTemperature, smallest)
      } else block++
    }
    return total
  }
}

const endOf = ({ byteOffset, byteLength }: Float32Array | Float64Array) => byteOffset + byteLength
