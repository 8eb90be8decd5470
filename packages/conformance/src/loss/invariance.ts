import { createObjective, lossAndGradient, pairsOf, randomStreams, type AlignmentLoss, type GroupNumbers } from '@plumbline/core'
import { ContractViolation } from '../check'
import { candidatesOf, changed, group as groupOf, reordered, showGroup, typicalGroups } from './groups'
import { groupCheck, type LossSubject } from './loss-check'
import { firstDifference, near } from './numeric'

const SPLITS = [
  [[0, 1, 2], [3]],
  [[3], [2], [1], [0]],
]

export const invarianceChecks = [
  groupCheck({
    id: 'loss/order-of-candidates-does-not-matter',
    contract: 'the loss of a group does not depend on the order of its candidates, and their gradients move with them.',
    problem(loss, group) {
      if (choosesAmongEquals(loss, group)) return undefined
      const here = lossAndGradient(loss, group)
      for (const order of orders(group.k)) {
        const there = lossAndGradient(loss, reordered(group, order))
        if (!near(here.loss, there.loss, 1e-5)) return `In the order ${order.join(', ')} the loss is ${there.loss} instead of ${here.loss}.`
        const at = firstDifference(
          order.map((c) => here.gradient[c]!),
          there.gradient,
          1e-4,
        )
        if (at !== undefined) {
          return `In the order ${order.join(', ')} candidate ${order[at]} has the gradient ${there.gradient[at]} instead of ${here.gradient[order[at]!]}.`
        }
      }
      return undefined
    },
  }),

  groupCheck({
    id: 'loss/only-unpadded-tokens-count',
    contract:
      'a candidate counts by its mean log-probability per token (or, for a loss of log-ratios, by their sum): its own length and that of the longest candidate make no difference beside.',
    problem(loss, group) {
      const before = lossAndGradient(loss, group).loss
      const { worseIndex } = pairsOf(group, loss.manifest.feedback)
      for (let c = 0; c < group.k; c++) {
        // the boundary of a loss of sums lies β nats per token of the worse candidate below the better ones
        if (loss.manifest.needsReference && worseIndex.includes(c)) continue
        for (const length of [group.lengths[c]! + 1, group.lengths[c]! + 150]) {
          const ratio = length / group.lengths[c]!
          const byMean = changed(group, c, (it) => ({ length, logProb: it.logProb * ratio, referenceLogProb: it.referenceLogProb * ratio }))
          const bySum = changed(group, c, () => ({ length }))
          const after = (loss.manifest.needsReference ? [byMean, bySum] : [byMean]).map((it) => lossAndGradient(loss, it).loss)
          if (after.some((value) => near(value, before, 1e-4, 1e-4))) continue
          return `With ${length} tokens of the same mean log-probability in candidate ${c} the loss is ${after[0]} instead of ${before}.`
        }
      }
      return undefined
    },
  }),

  groupCheck({
    id: 'loss/scales-with-its-unit',
    contract:
      'the batch loss is a mean over the unit that the manifest names: a question’s loss counts once, and with sequences as units loss is the sum over the group’s sequences, of which `units` is the number.',
    problem(loss, group) {
      const alone = lossAndGradient(loss, group)
      if (loss.manifest.unit === 'question') {
        const thrice = objectiveOver(loss, [group, group, group])([0, 1, 2])
        if (!near(thrice.loss, alone.loss, 1e-4))
          return `Three equal questions have the batch loss ${thrice.loss}, one alone has ${alone.loss}.`
        return undefined
      }
      const units = loss.units?.(group) ?? group.k
      if (!Number.isInteger(units) || units < 0) return `units is ${units}.`
      if (units === 0) return alone.loss === 0 ? undefined : `No sequence is counted, but the loss is ${alone.loss}.`
      if (loss.manifest.constraint === 'boundary') return undefined // its constraint is one term over all pairs of the group
      const contributing = alone.gradient.filter((g) => g !== 0).length
      if (units > contributing) return `units counts ${units} sequences, but ${contributing} have a gradient.`
      const double = groupOf([...candidatesOf(group), ...candidatesOf(group)])
      const mean = alone.loss / units
      const doubled = lossAndGradient(loss, double).loss / (loss.units?.(double) ?? double.k)
      return near(mean, doubled, 1e-4) ? undefined : `Per sequence the loss is ${mean}; with every candidate there twice it is ${doubled}.`
    },
  }),

  {
    id: 'loss/splitting-a-batch-changes-nothing',
    contract: 'however a step’s questions are split into micro-batches, the loss and every gradient stay the same.',
    run({ factory }: LossSubject) {
      const { id, contract } = this
      const loss = factory()
      const groups = typicalGroups(loss).slice(0, 4)
      const objective = objectiveOver(loss, groups)
      const whole = objective([0, 1, 2, 3])
      for (const split of SPLITS) {
        const parts = split.map(objective)
        const total = parts.reduce((sum, part) => sum + part.loss, 0)
        const gradients = new Map(parts.flatMap(({ cotangents }, p) => cotangents.map((gradient, n) => [split[p]![n], gradient] as const)))
        const wrong = groups.findIndex((_, n) => firstDifference(whole.cotangents[n]!, gradients.get(n)!, 1e-6) !== undefined)
        const shown = `as micro-batches ${split.map((part) => `[${part.join(', ')}]`).join(' ')}`
        if (wrong >= 0) {
          const [before, after] = [whole.cotangents[wrong]!, gradients.get(wrong)!].map((gradient) => gradient.join(', '))
          throw new ContractViolation(
            id,
            contract,
            `Question ${wrong}’s gradient is ${before} in one batch and ${after} ${shown}:\n${showGroup(groups[wrong]!)}`,
          )
        }
        if (!near(total, whole.loss, 1e-6))
          throw new ContractViolation(id, contract, `The loss is ${whole.loss} in one batch and ${total} ${shown}.`)
      }
    },
  },
]

/** Core's objective over these groups, from their indices; log-probabilities are spread evenly over the tokens. */
function objectiveOver(loss: AlignmentLoss, groups: readonly GroupNumbers[]) {
  const objective = createObjective({
    losses: [{ name: loss.manifest.name, loss, weight: 1 }],
    groups: groups.map((group, n) => ({ ...group, id: String(n), pairs: undefined })),
    divergence: () => groups[0]!.divergence!,
  })
  return (indices: readonly number[]) => {
    const tokens = indices.map((index) => groups[index]!.lengths.map((n, c) => new Float32Array(n).fill(groups[index]!.logProbs[c]! / n)))
    const { loss: value, cotangents } = objective(indices.map((index, n) => ({ index, tokenLogProbs: tokens[n]! })))
    return { loss: value, cotangents: cotangents.map((gradient) => gradient.map((g) => (typeof g === 'number' ? g : g[0]!))) }
  }
}

/** Whether the loss reads only some of several equally good candidates, which it can only choose by their order. */
function choosesAmongEquals(loss: AlignmentLoss, group: GroupNumbers): boolean {
  const needed = loss.needed?.(group)
  if (!needed) return false
  const label = (c: number) => (loss.manifest.feedback === 'binary' ? Number(group.positive[c]) : group.rewards[c])
  return needed.some((is, i) => needed.some((other, j) => is !== other && label(i) === label(j)))
}

function orders(k: number): number[][] {
  const random = randomStreams(3)('orders', k)
  const identity = Array.from({ length: k }, (_, c) => c)
  return [[...identity].reverse(), [...identity.slice(1), 0], [...identity].sort(() => random() - 0.5)]
}
