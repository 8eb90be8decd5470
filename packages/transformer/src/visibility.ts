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
