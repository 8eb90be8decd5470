/**
 * Who sees whom inside one sequence: a query its own position and those before it, of these only the last `window` where there is one.
 * Positions count from 0. The same rule as `sliding_window_overlay` of transformers' masking_utils.py.
 *
 * @returns the first position that a query sees; its own is the last.
 */
export function firstSeen(query: number, window?: number): number {
  return window === undefined ? 0 : Math.max(0, query - window + 1)
}

/** The windows of a model's layers, each once; undefined for layers without one. */
export function windowsOf(attention: readonly { readonly window?: number }[]): (number | undefined)[] {
  return [...new Set(attention.map(({ window }) => window))]
}

/** Added to a score that no query may see: exp(…) is then exactly 0. */
export const MASKED = -1e9

/** [width, width]: query by key, from position 0 on; 0 where the query sees the key. */
export function causalMask(width: number, window?: number): Float32Array {
  const mask = new Float32Array(width * width)
  for (let query = 0; query < width; query++) hideUnseen(mask, query * width, width, query, window)
  return mask
}

/** Masks those of the keys 0 … count − 1, which start at `start`, that a query does not see. */
export function hideUnseen(mask: Float32Array, start: number, count: number, query: number, window?: number): void {
  mask.fill(MASKED, start, start + firstSeen(query, window)).fill(MASKED, start + query + 1, start + count)
}

/** How a sequence's keys stand in caches: the prompt, padded to `width`, then its own tokens. */
export interface CachedSequence {
  readonly promptLength: number
  readonly width: number
}

/** Where a position of a sequence stands among its cached keys. */
export function cachedColumn({ promptLength, width }: CachedSequence, position: number): number {
  return position < promptLength ? position : width + position - promptLength
}

/** Masks the padding behind a prompt, and the cached keys that a query no longer sees; the sequence's keys start at `start`. */
export function hideCached(mask: Float32Array, start: number, sequence: CachedSequence, query: number, window?: number): void {
  const { promptLength, width } = sequence
  mask.fill(MASKED, start + promptLength, start + width)
  const first = firstSeen(query, window)
  for (let position = 0; position < first; position++) mask[start + cachedColumn(sequence, position)] = MASKED
}
