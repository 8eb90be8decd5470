import { PlumbError } from '../errors'
import type { AlignmentLoss } from '../seams/loss'
import type { Objective, ScoredCompletions } from '../seams/policy'
import { concerns, neededCandidates, unitsOf, viewOf, type LabelledGroup, type WeightedLoss } from './groups'
import { GroupMetrics } from './metrics'
import { lossAndGradient, pairsOf, summed } from './score'

export interface ObjectiveInput {
  readonly losses: readonly WeightedLoss[]
  /** Every group of the optimizer step, in the order of the `forwardBackward` call. */
  readonly groups: readonly LabelledGroup[]
  /** See `ScoredGroup.divergence`; asked for when the first group is scored. */
  divergence?(): number
}

/**
 * The weighted sum of losses over one optimizer step as an `Objective` of the Policy seam.
 *
 * Each loss is averaged over its own units (questions, or sequences), counted over the whole step before any of it is scored. So a
 * backend may split the groups as it likes: every group's share of loss and gradient stays the same number.
 *
 * The objective throws PLUMB_NON_FINITE_LOSS with the group's id for a log-prob, loss or gradient that is not finite.
 * @throws PlumbError PLUMB_EMPTY_COMPLETION, PLUMB_REFERENCE_MISSING
 */
export function createObjective({ losses, groups, divergence }: ObjectiveInput): Objective {
  for (const group of groups) check(group, losses, divergence !== undefined)
  const terms = losses.map((term) => ({ ...term, units: groups.reduce((sum, group) => sum + unitsOf(term.loss, group), 0) }))
  const needed = groups.map((group) =>
    neededCandidates(
      losses.map(({ loss }) => loss),
      group,
    ),
  )
  const metrics = new GroupMetrics(losses, groups, needed)
  const far = (loss: AlignmentLoss) => (loss.manifest.needsDivergence ? divergence?.() : undefined)
  const views = terms.map(({ loss }) => groups.map((group) => (concerns(loss, group) ? prepare(loss, group) : undefined)))

  return (batch) => {
    let total = 0
    const sums: Record<string, number> = {}
    for (const { name, units } of terms) if (units > 0) sums[`loss/${name}`] = 0

    const cotangents = batch.map(({ index, tokenLogProbs }) => {
      const group = groups[index]!
      const logProbs = logProbsOf(group, needed[index]!, tokenLogProbs)
      const gradient = group.lengths.map(() => 0)
      terms.forEach(({ name, loss, weight, units }, t) => {
        const view = views[t]![index]
        if (units === 0 || view === undefined || view.k === 0) return
        const result = lossAndGradient(loss, { ...view, logProbs: view.index.map((c) => logProbs[c]!), divergence: far(loss) })
        if (!Number.isFinite(result.loss) || !result.gradient.every(Number.isFinite))
          throw nonFinite(group, `the loss "${name}"`, result.loss)
        sums[`loss/${name}`]! += result.loss / units
        total += (weight * result.loss) / units
        result.gradient.forEach((g, n) => {
          if (g !== 0) gradient[view.index[n]!]! += (weight * g) / units
        })
      })
      metrics.add(sums, index, logProbs, far)
      return gradient
    })
    return { loss: total, cotangents, metrics: sums }
  }
}

/** What stays the same from scoring to scoring: the loss's view of the group, and its pairs. */
function prepare(loss: AlignmentLoss, group: LabelledGroup) {
  const view = viewOf(loss, group)
  const { referenceLogProbs } = group
  return {
    ...view,
    pairs: pairsOf(view, loss.manifest.feedback),
    referenceLogProbs: referenceLogProbs && view.index.map((c) => referenceLogProbs[c]!),
  }
}

/** Log-probs per candidate; 0 for the candidates nobody asked for. */
function logProbsOf(group: LabelledGroup, needed: readonly boolean[], tokenLogProbs: ScoredCompletions['tokenLogProbs']): number[] {
  return group.lengths.map((_, c) => {
    if (!needed[c]) return 0
    const sum = summed(tokenLogProbs[c])
    if (!Number.isFinite(sum)) throw nonFinite(group, `the log-probability of candidate ${c}`, sum)
    return sum
  })
}

function nonFinite(group: LabelledGroup, what: string, value: number): PlumbError {
  const found = Number.isFinite(value) ? 'has a gradient that is not finite' : `is ${value}`
  return new PlumbError('PLUMB_NON_FINITE_LOSS', `In group "${group.id}" ${what} ${found}.`, group.id)
}

function check(group: LabelledGroup, losses: readonly WeightedLoss[], hasDivergence: boolean): void {
  const empty = group.lengths.findIndex((n) => !(n > 0))
  if (empty >= 0) {
    throw new PlumbError(
      'PLUMB_EMPTY_COMPLETION',
      `Candidate ${empty} of group "${group.id}" has no tokens; its score is undefined.`,
      group.id,
    )
  }
  const asking = losses.find(({ loss }) => loss.manifest.needsReference && concerns(loss, group))
  if (asking && group.referenceLogProbs?.length !== group.k) {
    throw new PlumbError(
      'PLUMB_REFERENCE_MISSING',
      `The loss "${asking.name}" needs the reference policy's log-probabilities, one per candidate; group "${group.id}" lacks them.`,
      group.id,
    )
  }
  const lost = losses.find(({ loss }) => loss.manifest.needsDivergence && concerns(loss, group))
  if (lost && !hasDivergence) {
    const what = 'how far the policy is from its reference, which is measured on answers to other questions before a step'
    throw new PlumbError('PLUMB_REFERENCE_MISSING', `The loss "${lost.name}" needs ${what}; group "${group.id}" lacks it.`, group.id)
  }
}
