import type { AlignmentLoss } from '../seams/loss'
import { concerns, isLikelihood, viewOf, type LabelledGroup, type WeightedLoss } from './groups'
import { Pairs } from './pairs'

/**
 * The figures of a training step beside its losses. Like the losses they are normalised over the whole step beforehand, so that
 * sums over micro-batches are the step's means:
 *
 * - `score/positive`, `score/negative`: mean score of the right and of the wrong candidates, nats per token;
 * - `margin`: s_i − s_j, mean over a question's pairs, then over questions that have pairs;
 * - `assessment`: fraction of pairs with s_i > s_j (ties ½), averaged likewise;
 * - `<loss>/…`: what the loss itself reports, mean over the questions that it reports the figure for.
 */
export class GroupMetrics {
  private readonly pairs: (Pairs | undefined)[]
  private readonly positives: number
  private readonly negatives: number
  private readonly compared: number
  /** How many groups report a figure, by `<loss>/<figure>`. */
  private readonly reports = new Map<string, number>()

  constructor(
    private readonly losses: readonly WeightedLoss[],
    private readonly groups: readonly LabelledGroup[],
    private readonly needed: readonly (readonly boolean[])[],
  ) {
    const read = groups.map((group, g) => (aligns(group, losses) ? needed[g] : group.lengths.map(() => false)))
    const count = (is: (group: LabelledGroup, c: number) => boolean) =>
      groups.reduce((sum, group, g) => sum + read[g]!.filter((yes, c) => yes && is(group, c)).length, 0)
    this.positives = count((group, c) => group.positive[c]!)
    this.negatives = count((group, c) => !group.positive[c])
    this.pairs = groups.map((group, g) => {
      // an unread candidate ties with every other: NaN compares false both ways
      const pairs = Pairs.ranked(group.rewards.map((reward, c) => (read[g]![c] ? reward : NaN)))
      return pairs.isEmpty ? undefined : pairs
    })
    this.compared = this.pairs.filter(Boolean).length
    for (const group of groups.filter((each) => aligns(each, losses))) {
      // Which figures a group reports follows from its labels, so any log-probabilities will do.
      const reported = this.reported(
        group,
        group.lengths.map((n) => -n),
        ({ manifest }) => (manifest.needsDivergence ? 0 : undefined),
      )
      for (const [figure] of reported) this.reports.set(figure, (this.reports.get(figure) ?? 0) + 1)
    }
  }

  add(
    sums: Record<string, number>,
    index: number,
    logProbs: readonly number[],
    divergence: (loss: AlignmentLoss) => number | undefined = () => undefined,
  ): void {
    const group = this.groups[index]!
    if (!aligns(group, this.losses)) return
    const scores = logProbs.map((l, c) => l / group.lengths[c]!)
    const addTo = (name: string, value: number) => (sums[name] = (sums[name] ?? 0) + value)
    const binary = this.positives > 0 // without any positive the feedback is a ranking, or there is nothing to tell apart
    scores.forEach((s, c) => {
      if (!this.needed[index]![c] || !binary) return
      if (group.positive[c]) addTo('score/positive', s / this.positives)
      else addTo('score/negative', s / this.negatives)
    })
    const pairs = this.pairs[index]
    if (pairs) {
      let margin = 0
      let right = 0
      pairs.betterIndex.forEach((i, n) => {
        const difference = scores[i]! - scores[pairs.worseIndex[n]!]!
        margin += difference
        right += difference > 0 ? 1 : difference === 0 ? 0.5 : 0
      })
      addTo('margin', margin / pairs.count / this.compared)
      addTo('assessment', right / pairs.count / this.compared)
    }
    for (const [figure, value] of this.reported(group, logProbs, divergence)) addTo(figure, value / this.reports.get(figure)!)
  }

  /** What the losses report of a group, by `<loss>/<figure>`. */
  private reported(
    group: LabelledGroup,
    logProbs: readonly number[],
    divergence: (loss: AlignmentLoss) => number | undefined,
  ): [string, number][] {
    return this.losses.flatMap(({ name, loss }) => {
      if (!loss.metrics || !concerns(loss, group)) return []
      const view = viewOf(loss, group)
      const of = (values: readonly number[]) => view.index.map((c) => values[c]!)
      const { referenceLogProbs, lengths } = group
      const figures = loss.metrics({
        ...view,
        scores: of(logProbs.map((l, c) => l / lengths[c]!)),
        logProbs: of(logProbs),
        referenceLogProbs: referenceLogProbs && of(referenceLogProbs),
        divergence: divergence(loss),
      })
      return Object.entries(figures).map(([figure, value]): [string, number] => [`${name}/${figure}`, value])
    })
  }
}

/** Whether an alignment loss reads the group. */
function aligns(group: LabelledGroup, losses: readonly WeightedLoss[]): boolean {
  return losses.some(({ loss }) => !isLikelihood(loss) && concerns(loss, group))
}
