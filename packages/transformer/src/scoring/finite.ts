import {
  PlumbError,
  type Cotangent,
  type ObjectiveResult,
  type ScoredCompletions,
  type TokenGroup,
  type TokenLogProbs,
} from '@plumbline/core/base'
import type { MicroBatch } from './micro-batches'

/** The groups of a micro-batch, each once, in the caller's order: what its objective is given. */
export function scoredGroups({ parts }: MicroBatch, logProbs: readonly TokenLogProbs[][]): ScoredCompletions[] {
  const indices = [...new Set(parts.flat().map(({ group }) => group))].sort((a, b) => a - b)
  return indices.map((index) => ({ index, tokenLogProbs: logProbs[index]! }))
}

/** @throws PlumbError PLUMB_NON_FINITE_LOSS with the group whose log-probabilities are not finite. */
export function requireFiniteLogProbs(groups: readonly TokenGroup[], scored: readonly ScoredCompletions[]): void {
  for (const { index, tokenLogProbs } of scored) {
    const candidate = tokenLogProbs.findIndex((values) => values?.some((value) => !Number.isFinite(value)))
    if (candidate < 0) continue
    throw new PlumbError(
      'PLUMB_NON_FINITE_LOSS',
      `A log-probability of candidate ${candidate} is not finite.`,
      `group ${groups[index]!.id}`,
    )
  }
}

/** @throws PlumbError PLUMB_NON_FINITE_LOGITS with the group and the completion whose log-probabilities are not finite. */
export function requireFiniteScores(groups: readonly TokenGroup[], scores: readonly (readonly TokenLogProbs[])[]): void {
  for (const [index, completions] of scores.entries()) {
    const completion = completions.findIndex((values) => values?.some((value) => !Number.isFinite(value)))
    if (completion < 0) continue
    const message = `A log-probability of completion ${completion} is not finite; expected finite numbers from the model's logits.`
    throw new PlumbError('PLUMB_NON_FINITE_LOGITS', message, `group ${groups[index]?.id}`)
  }
}

/** @throws PlumbError PLUMB_NON_FINITE_LOSS with the groups whose cotangents are not finite, or all of a loss that is not. */
export function requireFiniteLoss(
  groups: readonly TokenGroup[],
  scored: readonly ScoredCompletions[],
  { loss, cotangents }: ObjectiveResult,
): void {
  const finite = (cotangent: Cotangent) => (typeof cotangent === 'number' ? Number.isFinite(cotangent) : cotangent.every(Number.isFinite))
  const culprits = scored.filter((_, i) => !cotangents[i]!.every(finite))
  if (Number.isFinite(loss) && culprits.length === 0) return
  const ids = (culprits.length > 0 ? culprits : scored).map(({ index }) => groups[index]!.id).join(', ')
  throw new PlumbError('PLUMB_NON_FINITE_LOSS', `The loss of this micro-batch is ${loss}, or its gradient is not finite.`, `group ${ids}`)
}
