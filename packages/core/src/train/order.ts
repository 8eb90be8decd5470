import { randomStreams } from '../util/random'

/**
 * The order in which training meets its examples: epoch after epoch, each a permutation of its own, as one endless sequence. It
 * depends on nothing but seed, label and size, so a resumed run needs no state of it.
 */
export class EpochOrder {
  private epoch = -1
  /** 4 bytes an example. */
  private permutation = new Uint32Array(0)

  constructor(
    private readonly size: number,
    private readonly seed: number,
    /** Tells orders of one seed apart, e.g. the stage. */
    private readonly label: string,
  ) {}

  /** The examples at positions step·batchSize … of the sequence; the whole of a set smaller than a batch. */
  batch(step: number, batchSize: number): number[] {
    const count = Math.min(batchSize, this.size)
    return Array.from({ length: count }, (_, n) => this.at(step * count + n))
  }

  private at(position: number): number {
    const epoch = Math.floor(position / this.size)
    if (epoch !== this.epoch) {
      this.epoch = epoch
      this.permutation = permutation(this.size, randomStreams(this.seed)('order', this.label, epoch))
    }
    return this.permutation[position % this.size] ?? 0
  }
}

/** How many steps `epochs` passes over `size` examples take. */
export function stepsOf({ steps, epochs }: { readonly steps?: number; readonly epochs?: number }, size: number, batchSize: number): number {
  return steps ?? Math.ceil(((epochs ?? 1) * size) / Math.min(batchSize, size))
}

/** Fisher-Yates. */
function permutation(size: number, uniform: () => number): Uint32Array<ArrayBuffer> {
  const order = Uint32Array.from({ length: size }, (_, i) => i)
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1))
    const moved = order[j] ?? 0
    order[j] = order[i] ?? 0
    order[i] = moved
  }
  return order
}
