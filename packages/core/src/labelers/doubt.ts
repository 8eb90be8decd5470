import { readGiven, sameAnswer, type Answer, type Options } from './compare'
import type { Mark } from './extract'
import { NEXT_QUESTION } from './next-question'

const TAKEN_BACK =
  /^[\s.!?,;$*_)}\]\\]{0,20}(?:(?:no|wait|actually|hmm+|sorry|oops|correction)[,.:;!–—-]|no,? wait\b|hold on\b|scratch that\b|let me (?:re)?check\b|i made a mistake\b|(?:(?:but|however|although),?\s)?(?:this|that|it)(?:\s(?:answer|result))?(?:\s(?:is|was|seems|looks)|'s)\s(?:\w{1,20}\s)?(?:wrong|incorrect|not (?:right|correct)))/i
const JOINED = /^[\s$.)}\]\\]{0,20}(?:,|and|or|,\s?and|,\s?or)[\s$([\\]{0,20}$/i

/** Whether a text itself doubts the answer that it marks: it takes it back, gives a second box, or later marks another one. */
export function isDoubted(text: string, mark: Mark, marks: readonly Mark[], expected: Answer, options: Options): boolean {
  if (mark.kind === 'pattern') return false
  if (TAKEN_BACK.test(text.slice(mark.end, mark.end + 80))) return true
  const answer = readGiven(mark.text, expected, options)
  const differs = (other: Mark) => isAnotherAnswer(readGiven(other.text, expected, options), answer, expected)
  const neighbour = marks.find(({ kind, end }) => kind === 'boxed' && mark.kind === 'boxed' && end <= mark.start)
  if (
    neighbour !== undefined &&
    mark.start - neighbour.end < 50 &&
    JOINED.test(text.slice(neighbour.end, mark.start)) &&
    differs(neighbour)
  )
    return true
  const kinds = new Set(marks.map(({ kind }) => kind).filter((kind) => kind !== mark.kind && kind !== 'heading' && kind !== 'pattern'))
  for (const kind of kinds) {
    const last = marks.find(
      (other) => other.kind === kind && other.start >= mark.end && readGiven(other.text, expected, options).kind === expected.kind,
    )
    if (last !== undefined && differs(last) && !NEXT_QUESTION.test(text.slice(mark.end, last.start))) return true
  }
  return false
}

function isAnotherAnswer(other: Answer, answer: Answer, { kind }: Answer): boolean {
  return kind !== 'text' && other.kind === kind && sameAnswer(other, answer) === false
}
