import type { Sampling } from '@plumbline/core'

/** The token that a uniform number draws from p, after topK and topP; at temperature 0 the likeliest. */
export function choose(p: Float64Array, { temperature, topK = 0, topP = 1 }: Sampling, uniform: () => number): number {
  const ranked = [...p.keys()].sort((a, b) => p[b]! - p[a]!)
  if (temperature === 0) return ranked[0]!
  let reached = 0
  const kept = ranked.slice(0, topK || ranked.length).filter((token) => {
    const isOpen = reached < topP
    reached += p[token]!
    return isOpen
  })
  let left = uniform() * kept.reduce((sum, token) => sum + p[token]!, 0)
  for (const token of kept) {
    left -= p[token]!
    if (left < 0) return token
  }
  return kept.at(-1)!
}
