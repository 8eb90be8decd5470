/** Values in order, any of them at hand: an array, or what is on disk and read when it is asked for. */
export interface Sequence<T> extends Iterable<T> {
  readonly length: number
  /** Undefined outside of it. */
  at(index: number): T | undefined
}

/** Value `index`, where it is known to be there. */
export function valueAt<T>(values: Pick<Sequence<T>, 'at' | 'length'>, index: number): T {
  const value = values.at(index)
  if (value === undefined) throw new RangeError(`There is no value ${index} of ${values.length}.`)
  return value
}

/** Values `from` up to, not including, `to`. */
export function slice<T>(values: Pick<Sequence<T>, 'at' | 'length'>, from: number, to: number): T[] {
  return Array.from({ length: Math.max(0, Math.min(to, values.length) - from) }, (_, n) => valueAt(values, from + n))
}

/** Some of the values of another sequence, 4 bytes each. */
export class Selected<T> implements Sequence<T> {
  private constructor(
    private readonly values: Sequence<T>,
    private readonly index: Uint32Array,
  ) {}

  /** Those that satisfy the condition, in their order; the sequence itself where all do. */
  static of<T>(values: Sequence<T>, condition: (value: T) => boolean): Sequence<T> {
    const index = new NumberList(Uint32Array)
    let at = 0
    for (const value of values) {
      if (condition(value)) index.push(at)
      at++
    }
    return index.length === values.length ? values : new Selected(values, index.values())
  }

  get length(): number {
    return this.index.length
  }

  at(index: number): T | undefined {
    const of = this.index[index]
    return of === undefined ? undefined : this.values.at(of)
  }

  *[Symbol.iterator](): Generator<T> {
    for (const of of this.index) yield valueAt(this.values, of)
  }
}

type Numbers = Uint8Array | Uint32Array | Float64Array

/** Numbers that grow in number, without an object or a boxed double for any of them. */
export class NumberList<A extends Numbers> {
  private array: A
  private count = 0

  constructor(private readonly kind: new (length: number) => A) {
    this.array = new kind(1 << 8)
  }

  get length(): number {
    return this.count
  }

  push(value: number): void {
    if (this.count === this.array.length) {
      const grown = new this.kind(2 * this.count)
      grown.set(this.array)
      this.array = grown
    }
    this.array[this.count++] = value
  }

  /** @throws RangeError where there is no number yet */
  set(index: number, value: number): void {
    if (index >= this.count) throw new RangeError(`There is no number ${index} of ${this.count}.`)
    this.array[index] = value
  }

  at(index: number): number | undefined {
    return index < this.count ? this.array[index] : undefined
  }

  /** The numbers there are; not to be changed. */
  values(): A {
    return this.array.subarray(0, this.count) as A
  }
}
