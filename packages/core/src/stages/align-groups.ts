import type { AlignVariant } from '../config/schema'
import type { GroupRecord } from '../seams/records'
import { isLikelihood, type WeightedLoss } from '../objective/groups'
import { pairsOf } from '../objective/score'
import type { AlignmentLoss } from '../seams/loss'
import type { TrainingGroup } from '../train/step'
import type { LabelledQuestion } from './records'
import { referenceGroup } from './sft'

/** An alignment group, and which of the labelled question's candidates it holds. */
export interface AlignGroup extends TrainingGroup {
  readonly index: readonly number[]
}

export interface AlignGroups {
  /** Where L_VFT's chains come from; undefined when the objective has no L_VFT. */
  readonly sftFrom?: 'question' | 'train'
  /** Per question: its candidates, and where it must stand apart, its reference. */
  readonly questions: readonly (readonly TrainingGroup[])[]
  readonly aligned: readonly AlignGroup[]
  /** Sampled candidates that repeat the reference, which counts instead of them. */
  readonly repeated: number
}

/** What a variant trains on, from the labelled questions. Log-probs of the reference policy come [question][candidate], where needed. */
export function alignGroups(
  variant: AlignVariant,
  losses: readonly WeightedLoss[],
  labelled: readonly LabelledQuestion[],
  sftFrom: AlignGroups['sftFrom'],
  referenceLogProbs?: readonly (readonly number[])[],
): AlignGroups {
  const aligns = losses.some(({ loss }) => !isLikelihood(loss))
  let repeated = 0
  const aligned: AlignGroup[] = []
  const questions = labelled.map((question, q): TrainingGroup[] => {
    const { id, candidates, promptTokens } = question
    const chains = new Set(candidates.filter(({ reference }) => reference).map(({ tokens }) => tokens.join(' ')))
    const index = candidates.flatMap(({ reference, tokens }, c) => {
      if (reference) return variant.referenceIsCandidate ? [c] : []
      const repeats = variant.referenceIsCandidate && chains.has(tokens.join(' '))
      if (repeats) repeated++
      return repeats ? [] : [c]
    })
    const chosen = index.map((c) => candidates[c])
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
      referenceLogProbs: referenceLogProbs && index.map((c) => referenceLogProbs[q][c]),
    }
    const parts: TrainingGroup[] = []
    if (group.k > 0 && (aligns || own)) {
      const selecting = { ...group, selected: select(losses, question, index) }
      aligned.push(selecting)
      parts.push(selecting)
    }
    if (sftFrom === 'question' && !own && chains.size > 0) {
      const references = candidates.filter(({ reference }) => reference).map(({ tokens }) => tokens)
      parts.push(referenceGroup(id, promptTokens, references))
    }
    return parts
  })
  return { sftFrom, questions, aligned: aligns ? aligned : [], repeated }
}

/**
 * Whether a loss has anything to learn from in these groups: a candidate that it asks for, or, if it does not say what it asks for,
 * a pair to compare.
 */
export function hasSignal(loss: AlignmentLoss, groups: readonly TrainingGroup[]): boolean {
  return groups.some((group) => (loss.needed ? loss.needed(group).includes(true) : !pairsOf(group, loss.manifest.feedback).isEmpty))
}

/** Sums the figures that the losses' selections report, as `<loss>/<figure>`. */
export function selectionCounts(
  losses: readonly WeightedLoss[],
  labelled: readonly LabelledQuestion[],
  groups: readonly AlignGroup[],
): Record<string, number> {
  const byId = new Map(labelled.map((question) => [question.id, question]))
  const sums: Record<string, number> = {}
  for (const { name, loss } of losses) {
    if (!loss.select) continue
    for (const { id, index } of groups) {
      const { counts } = loss.select(recordOf(byId.get(id)!, index))
      for (const [figure, value] of Object.entries(counts)) sums[`${name}/${figure}`] = (sums[`${name}/${figure}`] ?? 0) + value
    }
  }
  return sums
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
      const { text, positive, reward, reference } = candidates[c]
      return { text, positive, reward, reference }
    }),
  }
}

/** Whether L_VFT takes each question's own chain or draws from `data.train`, for `auto` by what the data file has. */
export function chainsFrom(
  { sftFrom }: AlignVariant,
  losses: readonly WeightedLoss[],
  questions: readonly GroupRecord[],
): AlignGroups['sftFrom'] {
  if (!losses.some(({ loss }) => isLikelihood(loss))) return undefined
  if (sftFrom !== 'auto') return sftFrom
  return questions.every(({ candidates }) => candidates.some(({ reference }) => reference)) ? 'question' : 'train'
}
