import type { HalfType } from '@plumbline/transformer'

/** A weight as an engine holds it: float32, or the bits of numbers of 16. Row-major. */
export interface HeldTensor {
  readonly shape: readonly number[]
  readonly data: Float32Array | Uint16Array
  /** `float32` when absent. */
  readonly half?: HalfType
}

/** By Hugging Face name. */
export type HeldWeights = ReadonlyMap<string, HeldTensor>
