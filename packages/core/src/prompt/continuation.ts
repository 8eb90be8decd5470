import type { ThinkingTags, Tokenizer, TokenPair } from '../seams/tokenizer'
import { isPlumbError, PlumbError } from '../errors'
import type { ChatAnswer, RenderedPrompt } from './render'
import { opensThinking } from './thinking'

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
 * A template may write the conversation with its answer otherwise than the prompt alone (a system message that stands in the last turn
 * only). Then the text is what stands behind the answer's header, and `exact` is false. So it is where the prompt opens the reasoning
 * and the template, which takes it out of every turn, would write none: the reasoning goes on from the prompt, and is closed before the
 * answer; an answer without reasoning closes the span at once, since behind the opening tag it would be thought and not said.
 *
 * @param end the text of the end-of-sequence token; empty where it is no text
 * @throws PlumbError PLUMB_PROMPT_REASONING for reasoning that is given apart, where no chat template says how it is written.
 */
export function continuationOf(rendered: RenderedPrompt, answer: ChatAnswer, end: string): Continuation {
  const { text: prompt, answered, thinking } = rendered
  if (answered === undefined) {
    if (answer.reasoning !== undefined) {
      throw new PlumbError(
        'PLUMB_PROMPT_REASONING',
        'The answer has its reasoning in a field of its own, and only a chat template says where it stands; expected prompt.chat: auto or true, or the reasoning within the text.',
      )
    }
    return { text: answer.text.endsWith(end) ? answer.text : answer.text + end, exact: true }
  }
  if (thinking !== undefined && opensThinking(prompt, thinking)) return thought(prompt, answer, thinking, answered)
  const whole = answered(answer)
  if (whole.startsWith(prompt)) return { text: whole.slice(prompt.length), exact: true }
  const start = reasoningStart(whole, answer, thinking) ?? answerStart(prompt, whole, answer.text, answered)
  return { text: whole.slice(start), exact: false }
}

/** Behind a prompt that opens the reasoning. */
function thought(
  prompt: string,
  answer: ChatAnswer,
  [open, close]: ThinkingTags,
  answered: NonNullable<RenderedPrompt['answered']>,
): Continuation {
  const whole = wholeOf(answer, answered)
  if (whole?.startsWith(prompt)) return { text: whole.slice(prompt.length), exact: true }
  const other = answered({ text: SOME_ANSWER })
  const turnEnd = other.slice(other.lastIndexOf(SOME_ANSWER) + SOME_ANSWER.length)
  const { text, reasoning } = answer
  const said = text.trimStart()
  // the prompt has written the opening tag, and the white space behind it
  const space = prompt.slice(prompt.trimEnd().length)
  if (reasoning !== undefined) return { text: `${reasoning.trim()}\n${close}\n\n${text}${turnEnd}`, exact: false }
  if (said.startsWith(open)) {
    const inside = said.slice(open.length)
    return { text: (inside.startsWith(space) ? inside.slice(space.length) : inside) + turnEnd, exact: false }
  }
  return { text: text.includes(close) ? text + turnEnd : `\n${close}\n\n${text}${turnEnd}`, exact: false }
}

/** Where the answer's reasoning begins in the whole, its opening tag included; undefined where it has none of its own. */
function reasoningStart(whole: string, { reasoning }: ChatAnswer, tags: ThinkingTags | undefined): number | undefined {
  const at = reasoning === undefined ? -1 : whole.lastIndexOf(reasoning.trim())
  if (at < 0) return undefined
  const open = tags === undefined ? -1 : whole.lastIndexOf(tags[0], at)
  return open >= 0 && whole.slice(open + (tags?.[0].length ?? 0), at).trim() === '' ? open : at
}

/** What the template makes of the answer; undefined where it leaves its reasoning out, which is then the prompt's to go on with. */
function wholeOf(answer: ChatAnswer, answered: NonNullable<RenderedPrompt['answered']>): string | undefined {
  try {
    return answered(answer)
  } catch (error) {
    if (isPlumbError(error) && error.code === 'PLUMB_CHAT_TEMPLATE_DROPS') return undefined
    throw error
  }
}

const SOME_ANSWER = 'plumb1answer'

/** Where in the whole the answer begins, with the white space before it that the prompt does not end in. */
function answerStart(prompt: string, whole: string, answer: string, answered: (answer: ChatAnswer) => string): number {
  const other = answered({ text: SOME_ANSWER })
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
