import { concerns, neededCandidates, type LabelledGroup, type WeightedLoss } from '../objective/groups'
import { createObjective } from '../objective/objective'
import type { Objective, Policy, TokenGroup } from '../seams/policy'
import { divergenceOf, type Mismatched, type MismatchedQuestion } from './divergence'

/** A group's labels together with its tokens: what one question contributes to an optimizer step. */
export interface TrainingGroup extends LabelledGroup {
  readonly prompt: readonly number[]
  /** [k] token lists; `lengths` are theirs. */
  readonly completions: readonly (readonly number[])[]
  /** Where a loss needs the policy's divergence from its reference. */
  readonly mismatched?: Mismatched
}

export interface Step {
  /** What the policy must score; groups of which no loss reads a candidate are left out. */
  readonly groups: readonly TokenGroup[]
  readonly objective: Objective
  /** To be awaited before `forwardBackward`, where it is there: measures what a loss must know of the policy as it is now. */
  prepare?(policy: Pick<Policy, 'logProbs'>): Promise<void>
}

/** One optimizer step's call of `Policy.forwardBackward`. Groups that need no scoring still count as units of their losses. */
export function trainingStep(losses: readonly WeightedLoss[], groups: readonly TrainingGroup[]): Step {
  const measured = mismatchedOf(losses, groups)
  let divergence = NaN // an objective that is asked before `prepare` says so: its loss is not finite
  const objective = createObjective({ losses, groups, ...(measured ? { divergence: () => divergence } : {}) })
  const scored: number[] = []
  const tokenGroups: TokenGroup[] = []
  groups.forEach((group, g) => {
    const needed = neededCandidates(
      losses.map(({ loss }) => loss),
      group,
    )
    if (!needed.includes(true)) return
    scored.push(g)
    tokenGroups.push({ id: group.id, prompt: group.prompt, completions: group.completions, needed })
  })
  const prepare = async (policy: Pick<Policy, 'logProbs'>) => {
    divergence = await divergenceOf(policy, measured ?? [])
  }
  return {
    groups: tokenGroups,
    objective: (batch) => objective(batch.map((item) => ({ ...item, index: scored[item.index]! }))),
    ...(measured ? { prepare } : {}),
  }
}

/** The questions that the divergence is measured on; undefined where no loss asks for it, or where there is nothing to measure it on. */
function mismatchedOf(losses: readonly WeightedLoss[], groups: readonly TrainingGroup[]): MismatchedQuestion[] | undefined {
  const asking = losses.filter(({ loss }) => loss.manifest.needsDivergence)
  const concerned = groups.filter((group) => asking.some(({ loss }) => concerns(loss, group)))
  const measured = concerned.flatMap(({ id, prompt, mismatched }) => (mismatched ? [{ id, prompt, mismatched }] : []))
  return measured.length > 0 && measured.length === concerned.length ? measured : undefined
}
