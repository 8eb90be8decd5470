import { PlumbError } from '@plumbline/core/base'
import { allFinite, allHalvesFinite, elements, widen, type WeightSource } from '@plumbline/transformer'
import type { HeldTensor, HeldWeights } from '../runtime/held-tensor'

/** Vectors (norms, biases) are few numbers, and are read by more than products. */
const halfOf = (name: string, shape: readonly number[], halves: WeightSource['halves']) =>
  shape.length > 1 ? halves?.types.get(name) : undefined

/** The same weights without their bits of 16: whoever reads them gets float32. */
export function onlyFloats({ shapes, read }: WeightSource): WeightSource {
  return { shapes, read }
}

/** What `BaseWeights` of a source take. */
export function baseBytes({ shapes, halves }: WeightSource): number {
  return [...shapes].reduce((sum, [name, shape]) => sum + (halfOf(name, shape, halves) ? 2 : 4) * elements(shape), 0)
}

/** A model's weights that nothing trains, each held once: matrices whose files have 16 bits a number as these bits, everything else as float32. */
export class BaseWeights {
  private constructor(readonly weights: HeldWeights) {}

  /** None, for who makes room before others are read. */
  static readonly none = new BaseWeights(new Map())

  /** Reads every tensor to its place. */
  static async load({ shapes, read, halves }: WeightSource): Promise<BaseWeights> {
    const weights = new Map<string, HeldTensor>()
    for (const [name, shape] of shapes) {
      const half = halfOf(name, shape, halves)
      if (half === undefined) {
        const data = new Float32Array(elements(shape))
        await read(name, data)
        weights.set(name, { shape, data })
      } else {
        const data = new Uint16Array(elements(shape))
        await halves!.read(name, data)
        weights.set(name, { shape, data, half })
      }
    }
    return new BaseWeights(weights)
  }

  /** As float32. */
  source(): WeightSource {
    const { weights } = this
    return {
      shapes: new Map([...weights].map(([name, { shape }]) => [name, shape])),
      read: (name, into) => {
        const { data, half } = weights.get(name)!
        if (data instanceof Uint16Array) widen(data, half!, into)
        else into.set(data)
        return Promise.resolve()
      },
    }
  }

  /** @throws PlumbError PLUMB_NON_FINITE_WEIGHTS naming the tensor. */
  requireFinite(consequence: string): void {
    for (const [name, { data, half }] of this.weights) {
      const isFinite = data instanceof Uint16Array ? allHalvesFinite(data, half!) : allFinite(data)
      if (isFinite) continue
      throw new PlumbError('PLUMB_NON_FINITE_WEIGHTS', `Tensor ${name} holds numbers that are not finite; ${consequence}.`)
    }
  }
}
