import { z } from 'zod'
import { Pairs } from './pairs'

/** Which pairs of a group a pairwise loss compares. */
export type Pairing = 'best-worst' | 'all'

/** The option `pairing` of a pairwise loss, to be spread into its schema beside `constraintOptions`. */
export function pairingOption(byDefault: Pairing = 'best-worst') {
  return {
    /** The best candidate against the worst, or every pair of different reward. */
    pairing: z.enum(['best-worst', 'all']).default(byDefault),
  }
}

/** `best-worst`: the first of the best candidates against the first of the worst. `all`: every i, j with r_i > r_j. */
export function choosePairs(rewards: readonly number[], pairing: Pairing): Pairs {
  if (pairing === 'all') return Pairs.ranked(rewards)
  const best = rewards.indexOf(Math.max(...rewards))
  const worst = rewards.indexOf(Math.min(...rewards))
  return Pairs.of(rewards.length, rewards[best]! > rewards[worst]! ? [[best, worst]] : [])
}

/** Which of k candidates stand in a pair: what a pairwise loss needs. */
export function inPairs(k: number, { betterIndex, worseIndex }: Pick<Pairs, 'betterIndex' | 'worseIndex'>): boolean[] {
  const used = new Set([...betterIndex, ...worseIndex])
  return Array.from({ length: k }, (_, c) => used.has(c))
}

/** The figures of a pairwise loss, named as TRL names them, mean over the pairs; none where there is no pair. */
export function pairMetrics(pairs: Pairs, reward: (candidate: number) => number): Readonly<Record<string, number>> {
  const { betterIndex, worseIndex, count } = pairs
  if (count === 0) return {}
  const mean = (f: (w: number, l: number) => number) => betterIndex.reduce((sum, w, n) => sum + f(w, worseIndex[n]!), 0) / count
  return {
    'rewards/chosen': mean((w) => reward(w)),
    'rewards/rejected': mean((_, l) => reward(l)),
    'rewards/margins': mean((w, l) => reward(w) - reward(l)),
    'rewards/accuracies': mean((w, l) => Number(reward(w) > reward(l))),
  }
}
