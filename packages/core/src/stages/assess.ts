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

/** What figures over any number of test sets are made of. */
export class AssessmentSums {
  private readonly accuracy = new Mean()
  private readonly positive = new Mean()
  private readonly negative = new Mean()

  /** One question's candidates with their scores. */
  add(candidates: TestQuestion['candidates'], scores: readonly number[]): void {
    const right = candidates.map((candidate) => candidate.positive)
    const ranked = isRanked(candidates)
    const fraction = assessmentAccuracy([
      { scores, positive: right, ...(ranked ? { rewards: candidates.map(({ reward = 0 }) => reward) } : {}) },
    ])
    if (fraction !== undefined) this.accuracy.add(fraction)
    if (!ranked) scores.forEach((score, c) => (right[c] ? this.positive : this.negative).add(score))
  }

  join(other: AssessmentSums): void {
    this.accuracy.join(other.accuracy)
    this.positive.join(other.positive)
    this.negative.join(other.negative)
  }

  figures(): Assessment {
    const { accuracy, positive, negative } = this
    return {
      assessmentAccuracy: accuracy.count === 0 ? undefined : accuracy.sum / accuracy.count,
      positivePerplexity: perplexityOf(positive.sum, positive.count),
      negativePerplexity: perplexityOf(negative.sum, negative.count),
    }
  }
}

class Mean {
  sum = 0
  count = 0

  add(value: number): void {
    this.sum += value
    this.count++
  }

  join({ sum, count }: Mean): void {
    this.sum += sum
    this.count += count
  }
}

/** How a model scores the test candidates: from the files of questions and scores, which hold the same questions in the same order. */
export async function assess(questionsFile: string, scoresFile: string): Promise<AssessmentSums> {
  const sums = new AssessmentSums()
  const scored = streamLines<ScoredQuestion>(scoresFile)
  try {
    for await (const { candidates } of streamLines<TestQuestion>(questionsFile)) {
      const { value } = (await scored.next()) as IteratorYieldResult<ScoredQuestion>
      sums.add(candidates, value.scores)
    }
  } finally {
    await scored.return(undefined)
  }
  return sums
}

/** Answers to several sets of questions as one. */
export function joinedMarks(parts: readonly AnswerMarks[]): AnswerMarks {
  return {
    length: parts.reduce((sum, { length }) => sum + length, 0),
    *[Symbol.iterator]() {
      for (const part of parts) yield* part
    },
  }
}
