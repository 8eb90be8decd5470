import type { ChatMessage } from '../seams/tokenizer'
import type { PromptSource } from './render'

/**
 * A record whose prompt is too long, with as much of its end as fits: of a conversation, whole earlier turns go first, the oldest before
 * the others and never the system message; then the last question loses its beginning, at a space. What the template writes stays, so
 * that no marker of a turn is left half.
 *
 * @param fits whether the prompt of a record is short enough
 * @returns undefined where what the template and the system message say is too long by itself
 */
export function shortened<R extends PromptSource>(record: R, fits: (record: R) => boolean): R | undefined {
  const { messages } = record
  if (messages === undefined) {
    const prompt = longestEnd(record.prompt, (text) => fits({ ...record, prompt: text }))
    return prompt === undefined ? undefined : { ...record, prompt }
  }
  const system = messages[0]?.role === 'system' ? messages.slice(0, 1) : []
  const turns = messages.slice(system.length)
  // the last question stays
  for (let from = nextQuestion(turns, 0); from < turns.length; from = nextQuestion(turns, from)) {
    const rest = { ...record, messages: [...system, ...turns.slice(from)] }
    if (fits(rest)) return rest
  }
  const last = turns.at(-1)
  if (last === undefined) return undefined
  const withLast = (content: string): R => ({ ...record, messages: [...system, { ...last, content }] })
  const content = longestEnd(last.content, (text) => fits(withLast(text)))
  return content === undefined ? undefined : withLast(content)
}

function nextQuestion(turns: readonly ChatMessage[], after: number): number {
  const next = turns.findIndex(({ role }, i) => i > after && role === 'user')
  return next < 0 ? turns.length : next
}

/** How far a word is looked to the end of, in characters: texts of some languages have no spaces. */
const WORD = 40

/** The longest end of a text that fits, from the beginning of a word on; undefined where none does. */
function longestEnd(text: string, fits: (end: string) => boolean): string | undefined {
  const characters = Array.from(text)
  const from = (start: number) => characters.slice(start).join('')
  // More text is more tokens, nearly: what is found is looked at again.
  let [low, high] = [1, characters.length]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (fits(atWord(from(middle)))) high = middle
    else low = middle + 1
  }
  for (let start = low; start < characters.length; start++) {
    const end = atWord(from(start))
    if (end !== '' && fits(end)) return end
  }
  return undefined
}

/** Without the rest of a word that begins before it. */
function atWord(end: string): string {
  const space = end.slice(0, WORD).search(/\s/)
  const whole = space < 0 ? end : end.slice(space).trimStart()
  return whole === '' ? end : whole
}
