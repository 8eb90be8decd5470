import { Pairs } from '@plumbline/core'

/** `best-worst`: the first of the best candidates against the first of the worst. `all`: every i, j with r_i > r_j. */
export function choosePairs(rewards: readonly number[], pairing: 'best-worst' | 'all'): Pairs {
  if (pairing === 'all') return Pairs.ranked(rewards)
  const best = rewards.indexOf(Math.max(...rewards))
  const worst = rewards.indexOf(Math.min(...rewards))
  return Pairs.of(rewards.length, rewards[best]! > rewards[worst]! ? [[best, worst]] : [])
}
