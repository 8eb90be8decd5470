import { majorityAtK, passAtK } from '../diagnostics/samples'
import type { Label } from '../seams/labeler'
import { NumberList } from '../util/sequence'
import type { LabelledCandidate, LabelledQuestion } from './records'

/** Where the candidates come from. */
export type Source = 'sampled' | 'given'

/** Distinct candidates by label; and, for right and wrong, pass@1, pass@k and majority@k over all that were sampled. */
export type LabelFigures = Readonly<
  Record<'questions' | 'labelled' | 'right' | 'wrong' | 'unparsed' | 'ranked' | 'mixed' | 'references', number>
> &
  Readonly<Record<string, number>>

export const isUnparsed = ({ status }: LabelledCandidate): boolean => status === 'unparsed'

/** The figures of the label stage, line by line. */
export class LabelCounts {
  /** The lines that hold a candidate without an answer, references included: 4 bytes each. */
  readonly unparsedLines = new NumberList(Uint32Array)
  private readonly statuses: Record<Label['status'], number> = { right: 0, wrong: 0, unparsed: 0, ranked: 0 }
  private questions = 0
  /** Completions that were cut off, duplicates included. */
  cutOff = 0
  /** All completions, duplicates included. */
  completions = 0
  /** Candidates with reasoning. */
  thought = 0
  /** Candidates whose reasoning never ends. */
  unfinished = 0
  private labelled = 0
  private mixed = 0
  private references = 0
  /** The fewest that a question was sampled with; all are sampled with as many. */
  private k = Infinity
  private readonly sums = { first: 0, any: 0, majority: 0 }

  constructor(private readonly source: Source) {}

  /** Gives the line back. */
  add(line: LabelledQuestion): LabelledQuestion {
    const { candidates, sampled, cutOff = 0, thought = 0, unfinished = 0 } = line
    this.cutOff += cutOff
    this.thought += thought
    this.unfinished += unfinished
    this.completions += sampled
    const own = candidates.filter(({ times }) => times !== undefined)
    if (candidates.some(isUnparsed)) this.unparsedLines.push(this.questions)
    this.questions++
    this.labelled += own.length
    for (const { status } of own) this.statuses[status]++
    if (new Set(own.map(({ reward }) => reward)).size > 1) this.mixed++
    this.references += candidates.filter(({ reference }) => reference).length
    if (this.source === 'sampled') this.addRates(sampled, own)
    return line
  }

  figures(): LabelFigures {
    const { right, wrong, unparsed, ranked } = this.statuses
    const { questions, labelled, mixed, references, cutOff, unfinished } = this
    const counts = {
      ...{ questions, labelled, right, wrong, unparsed, ranked, mixed, references },
      ...(cutOff > 0 ? { cutOff } : {}),
      ...(unfinished > 0 ? { unfinished } : {}),
    }
    if (ranked > 0 || this.source === 'given') return counts
    const { first, any, majority } = this.sums
    return {
      ...counts,
      'pass@1': first / questions,
      [`pass@${this.k}`]: any / questions,
      [`majority@${this.k}`]: majority / questions,
    }
  }

  private addRates(sampled: number, own: readonly LabelledCandidate[]): void {
    this.k = Math.min(this.k, sampled)
    const right = own.reduce((sum, { positive, times = 1 }) => sum + (positive ? times : 0), 0)
    const votes = own.flatMap(({ given, positive, times = 1 }) => Array.from({ length: times }, () => ({ answer: given, right: positive })))
    this.sums.first += passAtK(sampled, right, 1) ?? 0
    this.sums.any += passAtK(sampled, right, sampled) ?? 0
    this.sums.majority += majorityAtK(votes)
  }
}
