import type { OverSeeds } from './over-seeds'
import { studentQuantile } from './student'

/** What is claimed of a difference. */
export interface Claimed {
  /** Whether it is claimed to be above or below zero. */
  readonly direction: 'above' | 'below'
  /** The smallest difference, without its sign, that would count as what is claimed. */
  readonly smallest: number
}

export type Verdict = 'reproduced' | 'not' | 'opposite' | 'cannot tell'

export interface Judged {
  /** Of Holm's procedure over all comparisons that are judged together. */
  readonly adjustedP: number
  /** 1 − α/m interval of each of m comparisons: all m hold together with probability of at least 1 − α. */
  readonly simultaneous: readonly [number, number]
  readonly verdict: Verdict
}

/**
 * p-values that may be compared with α each, such that the chance of any false finding among them stays below α (Holm 1979).
 * In the order given.
 */
export function holmAdjusted(pValues: readonly number[]): number[] {
  const order = pValues.map((_, c) => c).sort((a, b) => pValues[a]! - pValues[b]!)
  const adjusted = pValues.map(() => 1)
  let largest = 0
  order.forEach((c, rank) => {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * pValues[c]!))
    adjusted[c] = largest
  })
  return adjusted
}

/**
 * Verdicts on the comparisons of one claim, together:
 *
 * - `reproduced`: Holm's adjusted p is below α, and the difference has the claimed sign;
 * - `opposite`: it is below α, and the difference has the other sign;
 * - `not`: the simultaneous interval leaves out every difference of the claimed size and above;
 * - `cannot tell`: none of these, or there is one seed only.
 */
export function judged(comparisons: readonly { readonly found: OverSeeds; readonly claimed: Claimed }[], alpha = 0.05): Judged[] {
  const adjusted = holmAdjusted(comparisons.map(({ found }) => found.pValue))
  return comparisons.map(({ found, claimed }, c) => {
    const half = studentQuantile(found.degrees, 1 - alpha / 2 / comparisons.length) * found.standardError
    const simultaneous = [found.difference - half, found.difference + half] as const
    const adjustedP = adjusted[c]!
    return { adjustedP, simultaneous, verdict: verdictOf(found, claimed, adjustedP < alpha, simultaneous) }
  })
}

function verdictOf(
  { difference, covers }: OverSeeds,
  { direction, smallest }: Claimed,
  isDifferent: boolean,
  [low, high]: readonly [number, number],
): Verdict {
  if (covers === 'questions') return 'cannot tell'
  const isClaimed = direction === 'above' ? difference > 0 : difference < 0
  if (isDifferent) return isClaimed ? 'reproduced' : 'opposite'
  return (direction === 'above' ? high < smallest : low > -smallest) ? 'not' : 'cannot tell'
}

/** A claim of several comparisons is reproduced where all of them are, and opposite or not where none is reproduced and one is that. */
export function overallVerdict(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.length > 0 && verdicts.every((verdict) => verdict === 'reproduced')) return 'reproduced'
  if (verdicts.includes('reproduced')) return 'cannot tell'
  return verdicts.find((verdict) => verdict === 'opposite') ?? verdicts.find((verdict) => verdict === 'not') ?? 'cannot tell'
}
