import type { AlignmentLoss, GroupLabels } from '../seams/loss'

/**
 * Which losses a group is for. `align`: the alignment losses; `sft`: the likelihood of its reference only, as when L_VFT's chains
 * come from other questions than the candidates; `both`: a question with candidates and its own reference.
 */
export type GroupRole = 'align' | 'sft' | 'both'

/** What the objective must know of a group beside its log-probs. */
export interface LabelledGroup extends GroupLabels {
  readonly id: string
  /** `both` when absent. */
  readonly role?: GroupRole
  /** Summed log-probs under the frozen reference policy [k], where a loss needs them. */
  readonly referenceLogProbs?: readonly number[]
  /** The candidates that a loss with `select` is given; all for the others. */
  readonly selected?: ReadonlyMap<AlignmentLoss, readonly boolean[]>
}

/** One term of an objective. */
export interface WeightedLoss {
  /** Its figures are logged as `loss/<name>` and `<name>/…`; unique within the objective. */
  readonly name: string
  readonly loss: AlignmentLoss
  readonly weight: number
}

/** Whether the loss is a likelihood of reference chains, as L_VFT is, and not an alignment of candidates. */
export const isLikelihood = ({ manifest }: AlignmentLoss): boolean => manifest.trains === 'references'

/** Whether the loss counts and reads this group at all. */
export function concerns(loss: AlignmentLoss, { role = 'both' }: Pick<LabelledGroup, 'role'>): boolean {
  return role === 'both' || (role === 'sft') === isLikelihood(loss)
}

/** A group as one loss sees it, and which of the group's candidates these are. */
export interface GroupView extends GroupLabels {
  readonly index: readonly number[]
}

/** The candidates the loss was given, as if the others had not been sampled. */
export function viewOf(loss: AlignmentLoss, group: Omit<LabelledGroup, 'id'>): GroupView {
  const keep = group.selected?.get(loss)
  const index = group.lengths.flatMap((_, c) => (keep === undefined || keep[c] ? [c] : []))
  const of = <T>(values: readonly T[]): readonly T[] => index.map((c) => values[c]!)
  return {
    k: index.length,
    lengths: of(group.lengths),
    positive: of(group.positive),
    rewards: of(group.rewards),
    reference: of(group.reference),
    index,
  }
}

/** How many units of the loss the group is; see `LossManifest.unit`. */
export function unitsOf(loss: AlignmentLoss, group: LabelledGroup): number {
  if (!concerns(loss, group)) return 0
  if (loss.manifest.unit === 'question') return 1
  const view = viewOf(loss, group)
  return loss.units?.(view) ?? view.k
}

/** The candidates that at least one of the losses reads: what the backend must score. */
export function neededCandidates(losses: readonly AlignmentLoss[], group: Omit<LabelledGroup, 'id'>): boolean[] {
  const needed = group.lengths.map(() => false)
  for (const loss of losses) {
    if (!concerns(loss, group)) continue
    const view = viewOf(loss, group)
    const mask = loss.needed?.(view)
    view.index.forEach((c, n) => {
      if (mask === undefined || mask[n]) needed[c] = true
    })
  }
  return needed
}
