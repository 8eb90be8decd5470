import { firstSeen } from '@plumbline/transformer'

/** Leaves exp(…) without weight in the softmax. */
export const MASKED = -1e9

/** The graph input with the mask of the layers that have this window. */
export function maskInput(name: string, window: number | undefined): string {
  return window === undefined ? name : `${name}_${window}`
}

/** [width, width]: query by key, from position 0 on. */
export function causalMask(width: number, window?: number): Float32Array {
  const mask = new Float32Array(width * width)
  for (let query = 0; query < width; query++) hideUnseen(mask, query * width, width, query, window)
  return mask
}

/** Masks those of the keys 0 … count − 1, which start at `start`, that a query does not see. */
export function hideUnseen(mask: Float32Array, start: number, count: number, query: number, window?: number): void {
  mask.fill(MASKED, start, start + firstSeen(query, window)).fill(MASKED, start + query + 1, start + count)
}
