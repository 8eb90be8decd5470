import { finiteSum } from '../objective/score'
import type { Policy, TokenGroup } from '../seams/policy'

/** An answer to another question, behind this one's prompt. */
export interface Mismatched {
  readonly completion: readonly number[]
  /** Σ_t log p under the reference policy, nats. */
  readonly referenceLogProb: number
}

/** A question of the step, with the answer that is measured behind its prompt. */
export interface MismatchedQuestion {
  readonly id: string
  readonly prompt: readonly number[]
  readonly mismatched: Mismatched
}

/**
 * max(0, mean of log π(y′|q) − log π_ref(y′|q)) over questions with answers to other questions: the estimate of KL(π ‖ π_ref) that KTO uses as its
 * reference point (arXiv:2402.01306, section 4.1). It is biased, since y′ was not sampled from π given q.
 *
 * @returns nats, at least 0
 */
export async function divergenceOf(policy: Pick<Policy, 'logProbs'>, questions: readonly MismatchedQuestion[]): Promise<number> {
  if (questions.length === 0) return 0
  const groups = questions.map(({ id, prompt, mismatched }): TokenGroup => ({ id, prompt, completions: [mismatched.completion] }))
  const scored = await policy.logProbs(groups)
  const ratios = questions.map(({ id, mismatched }, q) => finiteSum(scored[q]?.[0], id) - mismatched.referenceLogProb)
  return Math.max(0, ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length)
}
