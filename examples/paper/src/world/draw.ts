import { randomStreams } from '@plumbline/core/base'

/** Seeded draws: the same for a seed and a key, whatever else is drawn. */
export class Draw {
  private readonly next: () => number

  constructor(seed: number, ...key: readonly string[]) {
    this.next = randomStreams(seed)(...key)
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return this.next()
  }

  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.whole(0, items.length - 1)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }

  /** A new array in random order (Fisher and Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const rest = [...items]
    const shuffled: T[] = []
    while (rest.length > 0) shuffled.push(...rest.splice(this.whole(0, rest.length - 1), 1))
    return shuffled
  }
}
