import { AnswerLabeler, type AnswerOptions, type CandidateText, type Label, type Labeler, type Question } from '@plumbline/core'
import { compareAnswers, type Verdict } from './compare'
import { ready } from './value'

/**
 * Right or wrong by the final answer, as the labeler `answer` finds it, compared as mathematics: `\frac{\sqrt{2}}{2}` is
 * `\frac{1}{\sqrt{2}}`, `\{1, 2\}` is `\{2, 1\}`, `x > 5` is `(5, \infty)`. What can be read in two ways is unparsed.
 */
export class MathLabeler implements Labeler {
  readonly name = 'math'
  readonly feedback = 'binary'
  private readonly answers: AnswerLabeler

  constructor(options: AnswerOptions) {
    this.answers = new AnswerLabeler(options, compareMarked)
  }

  /** @throws PlumbError PLUMB_DATA_NO_ANSWER when the question has none to compare with. */
  async label(question: Question, candidates: readonly CandidateText[]): Promise<readonly Label[]> {
    await ready()
    return this.answers.label(question, candidates)
  }
}

/** `72 km/h`: letters behind a number that are its unit rather than unknowns. */
const WITH_UNIT = /^\W{0,4}[\d.,]+\s?(?![xyznkiabcpqrtm]\b)[a-zA-Z]{1,3}(?:[/^*·][a-zA-Z\d]{1,4}){0,3}\W{0,2}$/

/** Where a sentence holds one formula, and no other digits, that is the answer. */
function compareMarked(expected: string, given: string): Verdict {
  const verdict = compareAnswers(formulaOf(expected), formulaOf(given))
  return verdict === 'different' && (WITH_UNIT.test(expected) || WITH_UNIT.test(given)) ? 'unread' : verdict
}

function formulaOf(text: string): string {
  const formulas = [...text.matchAll(/\$([^$]+)\$|\\\(([^$]{1,400}?)\\\)/g)]
  const [only] = formulas
  if (formulas.length !== 1 || only === undefined) return text
  const around = `${text.slice(0, only.index)} ${text.slice(only.index + only[0].length)}`
  return /[\d\\=]|\b(?:not|or|and)\b/.test(around) ? text : (only[1] ?? only[2] ?? text)
}
