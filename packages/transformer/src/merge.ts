import { scalingOf } from './adapter-config'
import type { Adapter, Factors } from './adapter'
import { weightOf } from './linear-modules'
import type { WeightSource } from './stored-tensors'

/**
 * W ← W + s·B·A, in place. The sum over the rank and the addition are made in float64 and rounded once to float32.
 *
 * @param weight W [out, in]
 */
export function mergeInto(weight: Float32Array, { A, B }: Factors, scaling: number): void {
  const [rank, inFeatures] = A.shape as readonly [number, number]
  const outFeatures = B.shape[0]!
  const row = new Float64Array(inFeatures)
  for (let o = 0; o < outFeatures; o++) {
    row.fill(0)
    for (let r = 0; r < rank; r++) {
      const b = B.data[o * rank + r]!
      if (b === 0) continue
      for (let i = 0; i < inFeatures; i++) row[i]! += b * A.data[r * inFeatures + i]!
    }
    for (let i = 0; i < inFeatures; i++) weight[o * inFeatures + i]! += scaling * row[i]!
  }
}

/** A model's weights with an adapter's part in them; each is merged when it is read, so that the model need not be in memory. */
export function mergedWeights(base: WeightSource, { config, factors }: Adapter): WeightSource {
  const byParameter = new Map([...factors].map(([module, own]) => [weightOf(module), own]))
  const scaling = scalingOf(config)
  return {
    shapes: base.shapes,
    read: async (name, into) => {
      await base.read(name, into)
      const own = byParameter.get(name)
      if (own) mergeInto(into, own, scaling)
    },
  }
}
