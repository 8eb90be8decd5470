import { z } from 'zod'
import { PlumbError } from '../errors'
import type { Question } from '../seams/records'
import type { CandidateText, Label, Labeler } from '../seams/labeler'
import { formatAnswer, isPlausible, readExpected, readGiven, sameAnswer, type Answer } from './compare'
import { extractAnswer, markedAnswers, MARKERS, withoutLastWord } from './extract'
import { lastNumber } from './number'

const patternSchema = z.string().transform((source, context) => {
  try {
    return new RegExp(source, 'gm')
  } catch (error) {
    context.addIssue({ code: 'custom', message: `must be a regular expression (${(error as Error).message})` })
    return z.NEVER
  }
})

export const answerOptions = z.strictObject({
  patterns: z
    .array(patternSchema)
    .default([])
    .describe('Regular expressions tried before the markers; the last match counts, and its first group (or the whole) is the answer.'),
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

/** Right or wrong by the final answer; see the package's README for what is read and how it is compared. */
export class AnswerLabeler implements Labeler {
  readonly name = 'answer'
  readonly feedback = 'binary'

  constructor(private readonly options: AnswerOptions) {}

  /** @throws PlumbError PLUMB_DATA_NO_ANSWER when the question has none to compare with. */
  async label(question: Question, candidates: readonly CandidateText[]): Promise<readonly Label[]> {
    if (question.answer === undefined || question.answer.trim() === '') {
      throw new PlumbError('PLUMB_DATA_NO_ANSWER', `Question "${question.id}" has no answer to compare its candidates with.`)
    }
    const expected = readExpected(extractAnswer(question.answer) ?? question.answer)
    return candidates.map((candidate): Label => {
      const written = this.find(candidate, expected)
      if (written === undefined) return { status: 'unparsed', positive: false }
      const given = readGiven(written, expected)
      const positive = sameAnswer(given, expected)
      return { status: positive ? 'right' : 'wrong', positive, answer: formatAnswer(given) }
    })
  }

  /** The first mark that may hold an answer of the expected kind; "I hope this answer is helpful" does not hide the number before it. */
  private find({ text, complete }: CandidateText, expected: Answer): string | undefined {
    const marked = [...markedAnswers(text, { ...this.options, complete })]
    if (marked.length > 0) return marked.find((written) => isPlausible(written, expected)) ?? marked[0]
    if (this.options.fallback === 'none') return undefined
    const whole = complete ? text : withoutLastWord(text)
    if (expected.kind === 'choice') return [...whole.matchAll(/\([A-Z]\)/g)].at(-1)?.[0]
    const number = lastNumber(whole)
    return number && whole.slice(number.start, number.end)
  }
}
