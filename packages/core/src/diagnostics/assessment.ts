import { Pairs } from '../objective/pairs'

/** The scored candidates of one question. */
export interface AssessedQuestion {
  /** s_c = logProb_c / n_c (AFT, Eq. 2), nats per token [k]. */
  readonly scores: readonly number[]
  /** [k] */
  readonly positive: readonly boolean[]
  /** How good each is, where that is what is known: pairs are then (better, worse). [k] */
  readonly rewards?: readonly number[]
}

/**
 * Assessment accuracy (AFT, section 2): mean over questions of the fraction of (positive, negative) pairs with s_p > s_n (of ranked
 * candidates, of pairs with different rewards); a tie counts ½. Questions without such a pair do not take part; undefined when none does.
 */
export function assessmentAccuracy(questions: readonly AssessedQuestion[]): number | undefined {
  const fractions = questions.flatMap(({ scores, positive, rewards }) => {
    const { betterIndex, worseIndex, count } = rewards ? Pairs.ranked(rewards) : Pairs.binary(positive)
    if (count === 0) return []
    const wins = betterIndex.map((p, n) => (scores[p]! > scores[worseIndex[n]!]! ? 1 : scores[p] === scores[worseIndex[n]!] ? 0.5 : 0))
    return [wins.reduce((sum: number, win) => sum + win, 0) / count]
  })
  return fractions.length === 0 ? undefined : fractions.reduce((sum, f) => sum + f, 0) / fractions.length
}

/**
 * Perplexity of a set of candidates: exp(−mean of their scores). The mean is over candidates, not over tokens: each counts once,
 * whatever its length, as in the losses. So this is the geometric mean of the candidates' own perplexities exp(−s_c).
 * Undefined without candidates.
 */
export function perplexity(scores: readonly number[]): number | undefined {
  return perplexityOf(
    scores.reduce((sum, s) => sum + s, 0),
    scores.length,
  )
}

/** {@link perplexity} by the sum of the scores and their number. */
export function perplexityOf(sum: number, count: number): number | undefined {
  return count === 0 ? undefined : Math.exp(-sum / count)
}
