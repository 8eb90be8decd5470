import type { HostTensor } from './session'

/** A vector of int32 numbers, over the array itself. */
export const int32 = (data: Int32Array): HostTensor => ({ data, dims: [data.length] })

/** int64 numbers: positions, shapes, slice bounds. A vector unless dims say otherwise. */
export function int64(values: readonly number[] | Int32Array, dims: readonly number[] = [values.length]): HostTensor {
  return { data: BigInt64Array.from(values, BigInt), dims }
}
