import { z } from 'zod'
import { PlumbError } from '../errors'
import type { Question } from '../seams/records'
import type { CandidateText, Label, Labeler } from '../seams/labeler'
import { formatAnswer, isPlausible, optionsOf, readExpected, readGiven, sameAnswer, type Answer, type Options } from './compare'
import { extractAnswer, markedAnswers, MARKERS, withoutLastWord, type Mark } from './extract'
import { isDoubted } from './doubt'
import { beforeNextQuestion } from './next-question'
import { lastNumber } from './number'
import { LinearPattern } from './pattern'

const patternSchema = z.string().transform((source, context) => {
  try {
    return new LinearPattern(source)
  } catch (error) {
    context.addIssue({
      code: 'custom',
      message: `must be a regular expression without look-ahead and back-references, but ${JSON.stringify(source)} is not (${(error as Error).message})`,
    })
    return z.NEVER
  }
})

export const answerOptions = z.strictObject({
  patterns: z
    .array(patternSchema)
    .default([])
    .describe(
      'Regular expressions (without look-ahead and back-references) tried before the markers; the last match counts, and its first group (or the whole) is the answer.',
    ),
  markers: z
    .array(z.enum(MARKERS))
    .default([...MARKERS])
    .describe(
      'Marks that are read, always in this order: `hash` (`#### 72`), `boxed` (`\\boxed{72}`), `phrase` ("the answer is 72", "Answer: 72").',
    ),
  fallback: z
    .enum(['none', 'last-number'])
    .default('none')
    .describe('Where nothing marks an answer: none, or the last number of the text (the last letter in parentheses for multiple choice).'),
})

export type AnswerOptions = z.output<typeof answerOptions>

export type Equivalence = (expected: string, given: string) => 'equal' | 'different' | 'unclear' | 'unread'

/** Right or wrong by the final answer; docs/labels.md says what is read and how it is compared. */
export class AnswerLabeler implements Labeler {
  readonly name = 'answer'
  readonly feedback = 'binary'

  constructor(
    private readonly options: AnswerOptions,
    /** Another comparison beside that of numbers, letters and texts; `unread` where it cannot read one of the two. */
    private readonly equivalence?: Equivalence,
  ) {}

  /** @throws PlumbError PLUMB_DATA_NO_ANSWER when the question has none to compare with. */
  async label(question: Question, candidates: readonly CandidateText[]): Promise<readonly Label[]> {
    if (question.answer === undefined || question.answer.trim() === '') {
      throw new PlumbError('PLUMB_DATA_NO_ANSWER', `Question "${question.id}" has no answer to compare its candidates with.`)
    }
    const options = optionsOf(question.prompt)
    const written = extractAnswer(question.answer) ?? question.answer
    const expected = readExpected(written, options)
    return Promise.resolve(candidates.map((candidate) => this.judgeFirst(candidate, written, expected, options)))
  }

  /** By the answer to this question alone, where the model went on with questions of its own. */
  private judgeFirst(candidate: CandidateText, written: string, expected: Answer, options: Options): Label {
    const own = beforeNextQuestion(candidate.text, this.options)
    if (own === undefined) return this.judge(candidate, written, expected, options)
    const label = this.judge({ text: own.text, complete: true }, written, expected, options)
    if (own.isDecisive) return label
    const whole = this.judge(candidate, written, expected, options)
    const isSame = whole.status === label.status && whole.answer === label.answer
    return isSame ? label : { status: 'unparsed', positive: false, ...(label.answer === undefined ? {} : { answer: label.answer }) }
  }

  private judge({ text, complete }: CandidateText, written: string, expected: Answer, options: Options): Label {
    const marks = [...markedAnswers(text, { ...this.options, complete })]
    const mark = marks.length > 0 ? firstPlausible(marks, expected) : this.fallback(complete ? text : withoutLastWord(text), expected)
    if (mark === undefined || (mark.kind === 'heading' && expected.kind !== 'text' && isPlausible(mark.text, expected))) {
      return { status: 'unparsed', positive: false }
    }
    const given = readGiven(mark.text, expected, options)
    const positive = isDoubted(text, mark, marks, expected, options) ? undefined : this.compared(mark.text, given, written, expected)
    if (positive === undefined) return { status: 'unparsed', positive: false, answer: mark.text }
    return { status: positive ? 'right' : 'wrong', positive, answer: formatAnswer(given) }
  }

  /** Whether the answers are the same; undefined where it cannot be told. */
  private compared(text: string, given: Answer, written: string, expected: Answer): boolean | undefined {
    const isSame = sameAnswer(given, expected)
    if (this.equivalence === undefined || expected.kind === 'choice') return isSame
    const verdict = this.equivalence(written, text)
    if (verdict === 'unclear') return undefined
    if (verdict === 'unread') return isSame === true || (given.kind === expected.kind && given.kind === 'number') ? isSame : undefined
    // Where the two comparisons disagree on what they read, nobody knows.
    return isSame === true && verdict === 'different' ? undefined : verdict === 'equal'
  }

  private fallback(text: string, expected: Answer): Mark | undefined {
    if (this.options.fallback === 'none') return undefined
    const written = expected.kind === 'choice' ? lastSentenceWithLetter(text) : lastNumber(text)
    return written === undefined ? undefined : { kind: 'pattern', text: written, start: 0, end: text.length }
  }
}

/** "I hope this answer is helpful" does not hide the number before it. */
function firstPlausible(marks: readonly Mark[], expected: Answer): Mark | undefined {
  return marks.find(({ kind, text }) => kind !== 'heading' && isPlausible(text, expected)) ?? marks[0]
}

/** What is said with the last `(B)`: it may be said of it that it is wrong. */
function lastSentenceWithLetter(text: string): string | undefined {
  const last = [...text.matchAll(/\([A-Z]\)/g)].at(-1)
  if (last === undefined) return undefined
  const before = text.slice(Math.max(0, last.index - 300), last.index).split(/[.!?]\s|\n/)
  const [behind = ''] = text.slice(last.index, last.index + 300).split(/[.!?](?=\s|$)|\n/, 1)
  return `${before.at(-1) ?? ''}${behind}`
}
