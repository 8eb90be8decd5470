import { neededCandidates, type LabelledGroup, type WeightedLoss } from '../objective/groups'
import { createObjective } from '../objective/objective'
import type { Objective, TokenGroup } from '../seams/policy'

/** A group's labels together with its tokens: what one question contributes to an optimizer step. */
export interface TrainingGroup extends LabelledGroup {
  readonly prompt: readonly number[]
  /** [k] token lists; `lengths` are theirs. */
  readonly completions: readonly (readonly number[])[]
}

export interface Step {
  /** What the policy must score; groups of which no loss reads a candidate are left out. */
  readonly groups: readonly TokenGroup[]
  readonly objective: Objective
}

/** One optimizer step's call of `Policy.forwardBackward`. Groups that need no scoring still count as units of their losses. */
export function trainingStep(losses: readonly WeightedLoss[], groups: readonly TrainingGroup[]): Step {
  const objective = createObjective({ losses, groups })
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
  return { groups: tokenGroups, objective: (batch) => objective(batch.map((item) => ({ ...item, index: scored[item.index]! }))) }
}
