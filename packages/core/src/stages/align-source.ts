import { isLikelihood } from '../objective/groups'
import type { IndexedLines } from '../run/indexed-lines'
import type { TrainingGroup } from '../train/step'
import { NumberList } from '../util/sequence'
import { alignQuestion, countSelections, hasSignal, type AlignPlan } from './align-groups'
import type { MismatchedLine } from './mismatched'
import type { LabelledQuestion } from './records'
import type { ReferenceLine } from './reference'

/**
 * The questions that a variant trains on, made anew from the labelled ones whenever they are asked for: in memory are the numbers of
 * their lines, and what one pass over all of them has counted.
 */
export class AlignSource {
  /** Lines of the labelled questions that have something to train on. */
  private readonly lines = new NumberList(Uint32Array)
  /** Questions that alignment losses compare. */
  aligned = 0
  /** See `AlignedQuestion`. */
  repeated = 0
  /** Whether the questions bring reference chains for L_VFT. */
  hasReferences = false
  /** Losses, by their names, that have something to learn from. */
  readonly signals = new Set<string>()
  private readonly selections: ReadonlyMap<string, Record<string, number>>

  private constructor(
    readonly plan: AlignPlan,
    private readonly labelled: IndexedLines<LabelledQuestion>,
    private readonly reference: IndexedLines<ReferenceLine> | undefined,
    private readonly mismatched: IndexedLines<MismatchedLine> | undefined,
  ) {
    this.selections = new Map(plan.losses.map(({ name }) => [name, {}]))
  }

  static async of(
    plan: AlignPlan,
    labelled: IndexedLines<LabelledQuestion>,
    reference: IndexedLines<ReferenceLine> | undefined,
    mismatched?: IndexedLines<MismatchedLine>,
  ): Promise<AlignSource> {
    const source = new AlignSource(plan, labelled, reference, mismatched)
    let line = 0
    for await (const question of labelled) source.count(question, line++)
    return source
  }

  get length(): number {
    return this.lines.length
  }

  /** The groups of a question. */
  at(index: number): readonly TrainingGroup[] | undefined {
    const line = this.lines.at(index)
    if (line === undefined) return undefined
    const figures = { logProbs: this.reference?.getSync(line).logProbs, mismatched: this.mismatched?.getSync(line) }
    return alignQuestion(this.plan, this.labelled.getSync(line), figures).parts
  }

  /** Sums of the figures that the losses' selections report, as `<loss>/<figure>`. */
  selectionCounts(): Record<string, number> {
    return Object.fromEntries(
      [...this.selections].flatMap(([name, sums]) => Object.entries(sums).map(([figure, value]) => [`${name}/${figure}`, value])),
    )
  }

  private count(question: LabelledQuestion, line: number): void {
    const { losses } = this.plan
    const { parts, aligned, repeated } = alignQuestion(this.plan, question)
    this.repeated += repeated
    if (parts.length > 0) this.lines.push(line)
    this.hasReferences ||= parts.some(({ reference, role }) => role !== 'align' && reference.includes(true))
    if (aligned === undefined) return
    this.aligned++
    for (const { name, loss } of losses) {
      if (!isLikelihood(loss) && !this.signals.has(name) && hasSignal(loss, aligned)) this.signals.add(name)
    }
    countSelections(this.selections, losses, question, aligned)
  }
}
