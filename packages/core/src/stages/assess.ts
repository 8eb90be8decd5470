import { assessmentAccuracy, perplexityOf } from '../diagnostics/assessment'
import { streamLines } from '../run/files'
import { NumberList } from '../util/sequence'
import { isRanked, type Answer, type ScoredQuestion, type TestQuestion } from './records'

/** What a report needs of a greedy answer. */
export type AnswerMark = Pick<Answer, 'right' | 'status'>

/** The marks of all answers, in the order of the questions. */
export interface AnswerMarks extends Iterable<AnswerMark> {
  readonly length: number
}

const STATUSES: readonly Answer['status'][] = ['right', 'wrong', 'unparsed', 'ranked']

/** Marks in a byte each. */
export class PackedMarks implements AnswerMarks {
  private readonly marks = new NumberList(Uint8Array)

  static async of(answers: AsyncIterable<AnswerMark>): Promise<PackedMarks> {
    const packed = new PackedMarks()
    for await (const { right, status } of answers) packed.marks.push(2 * STATUSES.indexOf(status) + Number(right))
    return packed
  }

  get length(): number {
    return this.marks.length
  }

  *[Symbol.iterator](): Generator<AnswerMark> {
    for (const mark of this.marks.values()) yield { right: mark % 2 === 1, status: STATUSES[mark >> 1] ?? 'wrong' }
  }
}

export interface Assessment {
  readonly assessmentAccuracy?: number
  readonly positivePerplexity?: number
  readonly negativePerplexity?: number
}

/** How a model scores the test candidates: from the files of questions and scores, which hold the same questions in the same order. */
export async function assess(questionsFile: string, scoresFile: string): Promise<Assessment> {
  const accuracy = { sum: 0, count: 0 }
  const positive = { sum: 0, count: 0 }
  const negative = { sum: 0, count: 0 }
  const add = (to: { sum: number; count: number }, value: number): void => {
    to.sum += value
    to.count++
  }
  const scored = streamLines<ScoredQuestion>(scoresFile)
  try {
    for await (const { candidates } of streamLines<TestQuestion>(questionsFile)) {
      const { value } = (await scored.next()) as IteratorYieldResult<ScoredQuestion>
      const { scores } = value
      const right = candidates.map((candidate) => candidate.positive)
      const ranked = isRanked(candidates)
      const fraction = assessmentAccuracy([
        { scores, positive: right, ...(ranked ? { rewards: candidates.map(({ reward = 0 }) => reward) } : {}) },
      ])
      if (fraction !== undefined) add(accuracy, fraction)
      if (!ranked) scores.forEach((score, c) => add(right[c] ? positive : negative, score))
    }
  } finally {
    await scored.return(undefined)
  }
  return {
    assessmentAccuracy: accuracy.count === 0 ? undefined : accuracy.sum / accuracy.count,
    positivePerplexity: perplexityOf(positive.sum, positive.count),
    negativePerplexity: perplexityOf(negative.sum, negative.count),
  }
}
