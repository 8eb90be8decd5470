import type { Tokenizer, TokenPair } from '../seams/tokenizer'
import type { RenderedPrompt } from './render'

/** The text that continues a prompt. */
export interface Continuation {
  readonly text: string
  /** Whether prompt and text together are the whole that the chat template writes; true for plain prompts. */
  readonly exact: boolean
}

/**
 * What is trained behind a prompt, as text: a plain answer with the text of the end-of-sequence token, once (TRL's rule: unless it
 * ends so already), or what the chat template makes of the answer, the end of its turn included.
 *
 * A template may write the conversation with its answer otherwise than the prompt alone (a prompt that opens `<think>`, a system
 * message that stands in the last turn only). Then the text is what stands behind the answer's header, and `exact` is false.
 *
 * @param end the text of the end-of-sequence token; empty where it is no text
 */
export function continuationOf({ text: prompt, answered }: RenderedPrompt, answer: string, end: string): Continuation {
  if (answered === undefined) return { text: answer.endsWith(end) ? answer : answer + end, exact: true }
  const whole = answered(answer)
  if (whole.startsWith(prompt)) return { text: whole.slice(prompt.length), exact: true }
  return { text: whole.slice(answerStart(prompt, whole, answer, answered)), exact: false }
}

const SOME_ANSWER = 'plumb1answer'

/** Where in the whole the answer begins, with the white space before it that the prompt does not end in. */
function answerStart(prompt: string, whole: string, answer: string, answered: (answer: string) => string): number {
  const other = answered(SOME_ANSWER)
  const header = other.slice(0, other.lastIndexOf(SOME_ANSWER))
  if (whole.startsWith(header)) return backOverSpace(prompt, header)
  const verbatim = answer.trim() === '' ? -1 : whole.lastIndexOf(answer.trim())
  if (verbatim >= 0) return backOverSpace(prompt, whole.slice(0, verbatim))
  let common = 0
  while (common < header.length && header[common] === whole[common]) common++
  return common
}

/** Of the places before the white space at the header's end, the one up to which most of it ends the prompt as well. */
function backOverSpace(prompt: string, header: string): number {
  let best = { place: header.length, length: commonEnd(prompt, header) }
  for (let place = header.length - 1; place >= header.trimEnd().length; place--) {
    const length = commonEnd(prompt, header.slice(0, place))
    if (length > best.length) best = { place, length }
  }
  return best.place
}

function commonEnd(a: string, b: string): number {
  let length = 0
  while (length < Math.min(a.length, b.length) && a.at(-1 - length) === b.at(-1 - length)) length++
  return length
}

/** The tokens of a prompt and of what continues it, with the boundary between them: `Tokenizer.encodePair`, or its like. */
export function tokenPair(tokenizer: Tokenizer, { text, addSpecial }: RenderedPrompt, continuation: string): TokenPair {
  if (tokenizer.encodePair) return tokenizer.encodePair(text, continuation, { addSpecial })
  const prompt = tokenizer.encode(text, { addSpecial })
  if (continuation === '') return { prompt, completion: [], exact: true }
  const whole = tokenizer.encode(text + continuation, { addSpecial })
  if (prompt.every((id, i) => id === whole[i])) return { prompt, completion: whole.slice(prompt.length), exact: true }
  return { prompt, completion: tokenizer.encode(continuation), exact: false, where: `${text.slice(-24)}|${continuation.slice(0, 24)}` }
}
