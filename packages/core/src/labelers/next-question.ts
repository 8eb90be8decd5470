import { markedAnswers, type ExtractOptions } from './extract'

const WORDS = 'question|problem|human|user|instruction'
/** Where a model that was not stopped goes on with the next question. */
export const NEXT_QUESTION = new RegExp(
  [
    String.raw`^[#*\s]{0,12}(?:${WORDS}|q|input|example)\s?\d{0,4}\s?[:：]`,
    String.raw`(?<=\s|>)(?:${WORDS})\s?\d{0,4}\s?[:：]`,
    String.raw`<\/s>|<\|(?:endoftext|end_of_text|im_end|eot_id|im_start|start_header_id|end)\|>`,
  ].join('|'),
  'im',
)

/**
 * What a model wrote of its own question, where it answers it and then goes on with another: `#### 72`, and behind it `Question: …`.
 * A text that asks before it answers (one that restates its question, or answers by questions of its own) is not cut.
 *
 * @returns undefined where no other question begins. `isDecisive` is false where only a phrase ("the answer is …") marks the answer:
 *   it may be that of a part.
 */
export function beforeNextQuestion(text: string, options: ExtractOptions): { text: string; isDecisive: boolean } | undefined {
  if (!NEXT_QUESTION.test(text)) return undefined
  const marks = [...markedAnswers(text, { ...options, complete: true })].filter(({ kind }) => kind !== 'heading')
  const first = Math.min(...marks.map(({ start }) => start))
  if (!Number.isFinite(first)) return undefined
  const found = NEXT_QUESTION.exec(text.slice(first))
  if (found === null || NEXT_QUESTION.test(text.slice(0, first))) return undefined
  const end = first + found.index
  return { text: text.slice(0, end), isDecisive: marks.some(({ kind, start }) => kind !== 'phrase' && start < end) }
}
