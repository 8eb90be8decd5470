import { lossAndGradient, type AlignmentLoss, type GroupNumbers } from '@plumbline/core'
import { group as groupOf, mapped, reordered, typicalGroups, type Candidate } from './groups'
import { groupCheck } from './loss-check'
import { near } from './numeric'

export const degenerateChecks = [
  groupCheck({
    id: 'loss/nothing-to-compare-is-zero',
    contract:
      'where there is nothing to compare (no right candidate, no wrong one, one candidate alone) the loss and its gradient are exactly 0, unless `needed` says that the loss learns from those candidates by themselves; never NaN.',
    groups: (loss) => [allAlike(loss, true), allAlike(loss, false), alone(loss, true), alone(loss, false)],
    problem: zeroOrNeeded,
  }),

  groupCheck({
    id: 'loss/ties-give-no-pair',
    contract:
      'two candidates with the same label or reward are not compared: a group of equals has loss 0, and two equals may change places.',
    groups: (loss) => [allAlike(loss, false), ...typicalGroups(loss)],
    problem(loss, group) {
      const label = (c: number) => (loss.manifest.feedback === 'binary' ? Number(group.positive[c]) : group.rewards[c])
      const labels = group.lengths.map((_, c) => label(c))
      if (new Set(labels).size === 1) return zeroOrNeeded(loss, group)
      const needed = loss.needed?.(group)
      const before = lossAndGradient(loss, group).loss
      for (let i = 0; i < group.k; i++) {
        for (let j = i + 1; j < group.k; j++) {
          if (labels[i] !== labels[j] || needed?.[i] !== needed?.[j]) continue
          const order = group.lengths.map((_, c) => (c === i ? j : c === j ? i : c))
          const after = lossAndGradient(loss, reordered(group, order)).loss
          if (!near(before, after, 1e-5))
            return `Candidates ${i} and ${j} are equally good; when they change places the loss is ${after} instead of ${before}.`
        }
      }
      return undefined
    },
  }),

  groupCheck({
    id: 'loss/extreme-scores-stay-finite',
    contract:
      'the loss and its gradient are finite for scores of −1e4 and for differences of 1e3 nats per token, whichever candidate is ahead.',
    groups: (loss) =>
      typicalGroups(loss).flatMap((group) => [
        mapped(group, ({ length }) => at(-1e4, length)),
        mapped(group, ({ length }, c) => at(c % 2 === 0 ? -1e4 : -1e-3, length)),
        mapped(group, ({ length }, c) => at(c % 2 === 0 ? -1e-3 : -1e4, length)),
        mapped(group, ({ length }, c) => at(-1e3 * c, length)),
        mapped(group, ({ length }, c) => at(-1e3 * (group.k - c), length)),
      ]),
    problem(loss, group) {
      const { loss: value, gradient } = lossAndGradient(loss, group)
      if (!Number.isFinite(value)) return `The loss is ${value}.`
      const c = gradient.findIndex((g) => !Number.isFinite(g))
      return c < 0 ? undefined : `The gradient of candidate ${c} is ${gradient[c]}.`
    },
  }),

  groupCheck({
    id: 'loss/prefers-the-better',
    contract:
      'where every worse candidate scores above every better one, descent raises the best and, without a constraint, lowers the worst.',
    groups: (loss) => typicalGroups(loss).map((group) => upsideDown(loss, group)),
    problem(loss, group) {
      const { gradient } = lossAndGradient(loss, group)
      const labels = group.lengths.map((_, c) => (loss.manifest.feedback === 'binary' ? Number(group.positive[c]!) : group.rewards[c]!))
      const [low, high] = [Math.min(...labels), Math.max(...labels)]
      if (low === high) return undefined
      const best = gradient.filter((_, c) => labels[c] === high)
      const worst = gradient.filter((_, c) => labels[c] === low)
      if (best.some((g) => g > 0) || best.every((g) => g === 0))
        return `The gradients of the best candidates are ${best.join(', ')}; descent should raise them.`
      if (loss.manifest.constraint === 'none' && worst.some((g) => g < 0))
        return `The gradients of the worst candidates are ${worst.join(', ')}; descent should not raise them.`
      return undefined
    },
  }),
]

function zeroOrNeeded(loss: AlignmentLoss, group: GroupNumbers): string | undefined {
  const { loss: value, gradient } = lossAndGradient(loss, group)
  if (!Number.isFinite(value) || !gradient.every(Number.isFinite)) return `The loss is ${value}, its gradient ${gradient.join(', ')}.`
  if (loss.needed?.(group).some(Boolean)) return undefined
  return value === 0 && gradient.every((g) => g === 0) ? undefined : `The loss is ${value}, its gradient ${gradient.join(', ')}.`
}

const at = (score: number, length: number) => ({ logProb: score * length, referenceLogProb: -0.5 * length })

/** Four candidates with one label, all different otherwise. */
function allAlike({ manifest }: AlignmentLoss, right: boolean): GroupNumbers {
  return groupOf([0.2, 1.3, 0.7, 2.5].map((score, c) => candidate(manifest.feedback, right, -score, 5 + 7 * c)))
}

function alone({ manifest }: AlignmentLoss, right: boolean): GroupNumbers {
  return groupOf([candidate(manifest.feedback, right, -0.8, 9)])
}

function candidate(feedback: string, right: boolean, score: number, length: number): Candidate {
  const positive = feedback !== 'ranked' && right
  return { logProb: score * length, referenceLogProb: score * length + 1, length, positive, reward: Number(right), reference: false }
}

/** Scores against the labels, with a policy that has moved the same way from its reference. */
function upsideDown({ manifest }: AlignmentLoss, group: GroupNumbers): GroupNumbers {
  return mapped(group, ({ positive, reward, length }) => {
    const level = manifest.feedback === 'binary' ? Number(positive) : reward
    return { logProb: (-3 - 0.4 * level) * length, referenceLogProb: -3 * length }
  })
}
