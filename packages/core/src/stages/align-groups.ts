import type { AlignVariant } from '../config/schema'
import type { GroupRecord } from '../seams/records'
import { isLikelihood, type WeightedLoss } from '../objective/groups'
import { pairsOf } from '../objective/score'
import type { AlignmentLoss } from '../seams/loss'
import type { Mismatched } from '../train/divergence'
import type { TrainingGroup } from '../train/step'
import type { LabelledQuestion } from './records'
import { referenceGroup } from './sft'

/** An alignment group, and which of the labelled question's candidates it holds. */
export interface AlignGroup extends TrainingGroup {
  readonly index: readonly number[]
}

/** What a variant trains on, of one question. */
export interface AlignedQuestion {
  /** Its candidates, and where it must stand apart, its reference. */
  readonly parts: readonly TrainingGroup[]
  /** The part that alignment losses compare; undefined where there is none, or no such loss. */
  readonly aligned?: AlignGroup
  /** Sampled candidates that repeat the reference, which counts instead of them. */
  readonly repeated: number
}

/** What determines a variant's groups beside the labelled questions. */
export interface AlignPlan {
  readonly variant: Pick<AlignVariant, 'referenceIsCandidate'>
  readonly losses: readonly WeightedLoss[]
  /** Where L_VFT's chains come from; undefined when the objective has no L_VFT. */
  readonly sftFrom: 'question' | 'train' | undefined
}

/** What the reference policy says of a question, where losses need it. */
export interface ReferenceFigures {
  /** Per candidate. */
  readonly logProbs?: readonly number[]
  readonly mismatched?: Mismatched
}

/** @param referenceFigures of the reference policy, where they are needed */
export function alignQuestion(
  { variant, losses, sftFrom }: AlignPlan,
  question: LabelledQuestion,
  { logProbs: referenceLogProbs, mismatched }: ReferenceFigures = {},
): AlignedQuestion {
  const aligns = losses.some(({ loss }) => !isLikelihood(loss))
  const { id, candidates, promptTokens } = question
  const chains = new Set(candidates.filter(({ reference }) => reference).map(({ tokens }) => tokens.join(' ')))
  let repeated = 0
  const index = candidates.flatMap(({ reference, tokens }, c) => {
    if (reference) return variant.referenceIsCandidate ? [c] : []
    const repeats = variant.referenceIsCandidate && chains.has(tokens.join(' '))
    if (repeats) repeated++
    return repeats ? [] : [c]
  })
  const chosen = index.map((c) => candidates[c]!)
  const own = variant.referenceIsCandidate && sftFrom === 'question'
  const group: AlignGroup = {
    id,
    index,
    role: own ? 'both' : 'align',
    prompt: promptTokens,
    completions: chosen.map(({ tokens }) => tokens),
    k: chosen.length,
    lengths: chosen.map(({ tokens }) => tokens.length),
    positive: chosen.map(({ positive }) => positive),
    rewards: chosen.map(({ reward }) => reward),
    reference: chosen.map(({ reference = false }) => reference),
    referenceLogProbs: referenceLogProbs && index.map((c) => referenceLogProbs[c]!),
    ...(mismatched ? { mismatched } : {}),
  }
  const parts: TrainingGroup[] = []
  let aligned: AlignGroup | undefined
  if (group.k > 0 && (aligns || own)) {
    const selecting = { ...group, selected: select(losses, question, index) }
    if (aligns) aligned = selecting
    parts.push(selecting)
  }
  if (sftFrom === 'question' && !own && chains.size > 0) {
    const references = candidates.filter(({ reference }) => reference).map(({ tokens }) => tokens)
    parts.push(referenceGroup(id, promptTokens, references))
  }
  return { parts, aligned, repeated }
}

/**
 * Whether a loss has anything to learn from in this group: a candidate that it asks for, or, if it does not say what it asks for,
 * a pair to compare.
 */
export function hasSignal(loss: AlignmentLoss, group: TrainingGroup): boolean {
  return loss.needed ? loss.needed(group).includes(true) : !pairsOf(group, loss.manifest.feedback).isEmpty
}

/** Adds the figures that the losses' selections report of one question, by loss. */
export function countSelections(
  counts: ReadonlyMap<string, Record<string, number>>,
  losses: readonly WeightedLoss[],
  question: LabelledQuestion,
  { index }: AlignGroup,
): void {
  for (const { name, loss } of losses) {
    const sums = counts.get(name)
    if (!loss.select || sums === undefined) continue
    for (const [figure, value] of Object.entries(loss.select(recordOf(question, index)).counts)) sums[figure] = (sums[figure] ?? 0) + value
  }
}

function select(losses: readonly WeightedLoss[], question: LabelledQuestion, index: readonly number[]): TrainingGroup['selected'] {
  const selections = losses.flatMap(({ loss }): [AlignmentLoss, readonly boolean[]][] =>
    loss.select ? [[loss, loss.select(recordOf(question, index)).keep]] : [],
  )
  return selections.length === 0 ? undefined : new Map(selections)
}

function recordOf({ id, prompt, answer, candidates }: LabelledQuestion, index: readonly number[]) {
  return {
    id,
    prompt,
    answer,
    candidates: index.map((c) => {
      const { text, positive, reward, reference } = candidates[c]!
      return { text, positive, reward, reference }
    }),
  }
}

/** Whether L_VFT takes each question's own chain or draws from `data.train`, for `auto` by what the data file has. */
export function chainsFrom(
  { sftFrom }: AlignVariant,
  losses: readonly WeightedLoss[],
  questions: Iterable<GroupRecord>,
): AlignPlan['sftFrom'] {
  if (!losses.some(({ loss }) => isLikelihood(loss))) return undefined
  if (sftFrom !== 'auto') return sftFrom
  for (const { candidates } of questions) if (!candidates.some(({ reference }) => reference)) return 'train'
  return 'question'
}
