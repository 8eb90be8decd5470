import { lossAndGradient, pairsOf, type AlignmentLoss, type Constraint, type GroupNumbers } from '@plumbline/core'
import { changed, group as groupOf, mapped, typicalGroups } from './groups'
import { groupCheck } from './loss-check'

export const constraintChecks = [
  groupCheck({
    id: 'loss/detached-leaves-the-worse-alone',
    contract: 'under the detached constraint a candidate that is better than none gets a gradient of exactly 0.',
    skip: unless('detached'),
    problem(loss, group) {
      const { betterIndex } = pairsOf(group, loss.manifest.feedback)
      const { gradient } = lossAndGradient(loss, group)
      const at = gradient.findIndex((g, c) => g !== 0 && !betterIndex.includes(c))
      return at < 0 ? undefined : `Candidate ${at} is better than none, but has the gradient ${gradient[at]}.`
    },
  }),

  groupCheck({
    id: 'loss/boundary-turns-at-b',
    contract:
      'under the boundary constraint a worse candidate below B = min better − β is pulled up; where the loss pushes it down at all, it does so exactly from B on.',
    skip: unless('boundary'),
    groups: (loss) => [oneWorse(loss, [-0.4]), oneWorse(loss, [-1.5]), oneWorse(loss, [-0.6, -2])],
    problem(loss, group) {
      const worse = group.rewards.indexOf(0)
      if (worse < 0 || group.k < 2 || loss.needed?.(group).includes(false)) return undefined
      const { needsReference, beta } = loss.manifest
      // what the loss compares: scores, or log-ratios summed over the tokens
      const compared = group.lengths.map((n, c) =>
        needsReference ? group.logProbs[c]! - group.referenceLogProbs![c]! : group.logProbs[c]! / n,
      )
      const n = group.lengths[worse]!
      const band = needsReference ? n : 1
      const B = Math.min(...compared.filter((_, c) => c !== worse)) - beta! * band
      const slopes = OFFSETS.map((offset) => {
        const value = B + offset * band
        const moved = changed(group, worse, ({ referenceLogProb }) => ({ logProb: needsReference ? referenceLogProb + value : value * n }))
        return { offset, slope: lossAndGradient(loss, moved).gradient[worse]! * n }
      })
      const pushes = slopes.some(({ offset, slope }) => offset > 0 && slope > NEGLIGIBLE)
      for (const { offset, slope } of slopes) {
        const place = `${Math.abs(offset)} nats per token ${offset < 0 ? 'below' : 'above'} B = ${B}`
        if (offset < 0 && !(slope < 0)) return `The worse candidate ${place} has the gradient ${slope}; it should be pulled up.`
        if (offset > 0 && pushes && slope < -NEGLIGIBLE)
          return `The worse candidate ${place} has the gradient ${slope}; it should not be pulled up there.`
      }
      return undefined
    },
  }),

  groupCheck({
    id: 'loss/boundary-never-pushes-the-best-down',
    contract:
      'under the boundary constraint no gradient reaches B: a candidate that is worse than none is never pushed down, however far the others have fallen.',
    skip: unless('boundary'),
    groups: (loss) => [0, 1, 3].flatMap((drop) => typicalGroups(loss).map((group) => lowered(loss, group, drop))),
    problem(loss, group) {
      const { worseIndex } = pairsOf(group, loss.manifest.feedback)
      const { gradient } = lossAndGradient(loss, group)
      const at = gradient.findIndex((g, c) => g * group.lengths[c]! > NEGLIGIBLE && !worseIndex.includes(c))
      return at < 0 ? undefined : `Candidate ${at} is worse than none, but its gradient ${gradient[at]} pushes it down.`
    },
  }),
]

const OFFSETS = [-2, -0.5, -0.1, -0.01, 0.01, 0.1, 0.5, 2]
/** Per nat per token; below it a gradient is rounding. */
const NEGLIGIBLE = 1e-6

function unless(constraint: Constraint) {
  return (loss: AlignmentLoss) => (loss.manifest.constraint === constraint ? undefined : `the constraint is "${loss.manifest.constraint}"`)
}

/** Right candidates of these scores and one wrong one. */
function oneWorse({ manifest }: AlignmentLoss, better: readonly number[]): GroupNumbers {
  return groupOf(
    [...better, -1].map((score, c) => {
      const [length, right] = [11 + 6 * c, c < better.length]
      return {
        logProb: score * length,
        referenceLogProb: (score - 0.1) * length,
        length,
        positive: right && manifest.feedback !== 'ranked',
        reward: Number(right),
        reference: false,
      }
    }),
  )
}

/** The same group with the worse candidates fallen by `drop` nats per token. */
function lowered(loss: AlignmentLoss, group: GroupNumbers, drop: number): GroupNumbers {
  const { worseIndex } = pairsOf(group, loss.manifest.feedback)
  return mapped(group, ({ logProb, length }, c) => (worseIndex.includes(c) ? { logProb: logProb - drop * length } : {}))
}
