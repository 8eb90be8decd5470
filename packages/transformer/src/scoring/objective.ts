import type { ForwardBackwardReport, Objective, ObjectiveResult, TokenGroup, TokenLogProbs } from '@plumbline/core/base'
import { packedRows } from '../packing'
import { spreadCotangents } from './exchange'
import { requireFiniteLogProbs, requireFiniteLoss, scoredGroups } from './finite'
import type { MicroBatch, SelectedGroup } from './micro-batches'

/** A place for the log-probs of every completion; those that are not needed stay undefined. */
export function unscored(groups: readonly TokenGroup[]): TokenLogProbs[][] {
  return groups.map(({ completions }) => completions.map(() => undefined))
}

interface AppliedObjective {
  readonly result: ObjectiveResult
  /** Cotangents of one packed batch, one per scored token. */
  readonly cotangentsOf: (part: readonly SelectedGroup[]) => Float32Array
}

/**
 * Asks the objective about one micro-batch, between its forward and its backward passes.
 *
 * @param logProbs of all groups of the step; those of the micro-batch are there.
 * @throws PlumbError PLUMB_NON_FINITE_LOSS
 */
export function applyObjective(
  parts: MicroBatch['parts'],
  groups: readonly TokenGroup[],
  objective: Objective,
  logProbs: readonly TokenLogProbs[][],
): AppliedObjective {
  const scored = scoredGroups({ parts }, logProbs)
  requireFiniteLogProbs(groups, scored)
  const result = objective(scored)
  requireFiniteLoss(groups, scored, result)
  const byGroup = new Map(scored.map(({ index }, i) => [index, result.cotangents[i]!]))
  return { result, cotangentsOf: (part) => spreadCotangents(part, byGroup) }
}

/** What a step reports. @param results one a micro-batch, in the plan's order: sums have the same bits in every run. */
export function stepReport(plan: readonly MicroBatch[], results: readonly ObjectiveResult[]): ForwardBackwardReport {
  const metrics: Record<string, number> = {}
  for (const result of results) {
    for (const [name, value] of Object.entries(result.metrics ?? {})) metrics[name] = (metrics[name] ?? 0) + value
  }
  const computed = plan.flatMap(({ parts }) => parts.flat())
  return {
    loss: results.reduce((sum, { loss }) => sum + loss, 0),
    metrics,
    completionTokens: computed.reduce((sum, { completions }) => sum + completions.reduce((n, c) => n + c.length, 0), 0),
    computedTokens: computed.reduce((sum, group) => sum + packedRows(group), 0),
    microBatches: plan.length,
  }
}
