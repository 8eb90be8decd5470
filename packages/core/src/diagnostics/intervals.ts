/**
 * The Wilson score interval of a proportion (Wilson 1927), 95 % by default.
 *
 * Unlike p ± 1.96·√(p(1−p)/n) it stays inside [0, 1] and is not empty at 0 or 1. Without observations it is [0, 1].
 */
export function wilsonInterval(successes: number, n: number, z = 1.959963984540054): readonly [number, number] {
  if (n === 0) return [0, 1]
  const p = successes / n
  const scale = 1 / (1 + z ** 2 / n)
  const centre = scale * (p + z ** 2 / (2 * n))
  const half = scale * z * Math.sqrt((p * (1 - p)) / n + z ** 2 / (4 * n ** 2))
  return [successes === 0 ? 0 : centre - half, successes === n ? 1 : centre + half]
}

/**
 * Mean of a_q − b_q over the same questions, and its standard error s/√n (s with n − 1).
 *
 * Paired, because both models answer the same questions: what makes a question easy or hard cancels.
 */
export function pairedDifference(
  a: readonly number[],
  b: readonly number[],
): { readonly difference: number; readonly standardError: number } {
  if (a.length !== b.length) throw new RangeError(`paired samples of ${a.length} and ${b.length}`)
  const n = a.length
  const differences = a.map((value, q) => value - b[q]!)
  const mean = differences.reduce((sum, d) => sum + d, 0) / Math.max(1, n)
  const squares = differences.reduce((sum, d) => sum + (d - mean) ** 2, 0)
  return { difference: mean, standardError: n > 1 ? Math.sqrt(squares / (n - 1) / n) : 0 }
}
