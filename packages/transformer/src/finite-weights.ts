import { PlumbError } from '@plumbline/core/base'
import { allHalvesFinite } from './half'
import type { WritableTensors } from './safetensors'

/** The name of the first tensor that holds NaN or an infinity; undefined where all numbers are finite. */
export function nonFiniteTensor(weights: WritableTensors): string | undefined {
  for (const [name, { data }] of weights) if (!allFinite(data)) return name
  return undefined
}

/** @param data float32, or the bits of bfloat16. */
export function allFinite(data: Float32Array | Uint16Array): boolean {
  if (data instanceof Uint16Array) return allHalvesFinite(data, 'bfloat16')
  // 0 · x is 0 for every finite x, else NaN, which stays: one sum answers for all.
  let sum = 0
  for (let i = 0; i < data.length; i++) sum += 0 * data[i]!
  return sum === 0
}

/**
 * Before a model is trained or saved: what trains on numbers that are not finite ruins the rest, and what is saved passes for good.
 * @throws PlumbError PLUMB_NON_FINITE_WEIGHTS naming the tensor.
 */
export function requireFiniteWeights(weights: WritableTensors, consequence: string, where?: string): void {
  const name = nonFiniteTensor(weights)
  if (name === undefined) return
  throw new PlumbError('PLUMB_NON_FINITE_WEIGHTS', `Tensor ${name} holds numbers that are not finite; ${consequence}.`, where)
}
