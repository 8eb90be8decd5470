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
 * A template may write the conversation with its answer otherwise than the prompt alone (a prompt that opens `<think>`, reasoning
 * that it takes away). The part that both begin with is then the prompt's, the rest is the text, and `exact` is false.
 *
 * @param end the text of the end-of-sequence token; empty where it is no text
 */
export function continuationOf({ text: prompt, answered }: RenderedPrompt, answer: string, end: string): Continuation {
  if (answered === undefined) return { text: answer.endsWith(end) ? answer : answer + end, exact: true }
  const whole = answered(answer)
  if (whole.startsWith(prompt)) return { text: whole.slice(prompt.length), exact: true }
  let common = 0
  while (common < prompt.length && prompt[common] === whole[common]) common++
  // What both begin with may reach into the answer itself, which starts where its text stands.
  const start = answer.trim() === '' ? -1 : whole.lastIndexOf(answer.trim())
  return { text: whole.slice(start < 0 ? common : Math.min(common, start)), exact: false }
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
