import type { LinearPattern } from './pattern'
import { withoutEnd } from '../util/without-end'

/** The kinds of explicit marks of a final answer, in the order in which they are looked for. */
export const MARKERS = ['hash', 'boxed', 'phrase'] as const
export type Marker = (typeof MARKERS)[number]

export interface ExtractOptions {
  /** Patterns tried before the markers; the last match counts, its first group or else the whole of it is the answer. */
  readonly patterns?: readonly LinearPattern[]
  readonly markers?: readonly Marker[]
  /** False where the text was cut off: its last word may be half a word and is not read. */
  readonly complete?: boolean
}

/** A text that is marked as the final answer. */
export interface Mark {
  readonly kind: 'pattern' | Marker | 'heading'
  readonly text: string
  /** Where the mark starts and what it holds ends, in the text. */
  readonly start: number
  readonly end: number
}

/** Of each kind so many marks are looked at, from the end of the text. */
const LOOKED_AT = 100

/**
 * The marked texts, the most decisive first: own patterns, then `#### …`, then `\boxed{…}`, then "answer is …" (or "answer: …", or what
 * stands below a heading "Answer"); of each kind the last in the text first. Headings (`#### Step 2: …`) are no answers and come last.
 */
export function* markedAnswers(text: string, { patterns = [], markers = MARKERS, complete = true }: ExtractOptions = {}): Generator<Mark> {
  const whole = complete ? text : withoutLastWord(text)
  for (const pattern of patterns) yield* said(patternMarks(whole, pattern))
  const found = MARKERS.filter((marker) => markers.includes(marker)).map((marker) => said(FINDERS[marker](whole)))
  for (const marks of found) yield* marks.filter(({ kind }) => kind !== 'heading')
  for (const marks of found) yield* marks.filter(({ kind }) => kind === 'heading')
}

/** The text of the first of {@link markedAnswers} that is no heading, or undefined where nothing is marked. */
export function extractAnswer(text: string, options?: ExtractOptions): string | undefined {
  for (const mark of markedAnswers(text, options)) return mark.kind === 'heading' ? undefined : mark.text
  return undefined
}

function said(found: readonly Mark[]): Mark[] {
  return found.map((mark) => ({ ...mark, text: mark.text.trim() })).filter(({ text }) => text !== '')
}

/** A cut-off text ends inside a word or a number, unless it ends with a space. */
export function withoutLastWord(text: string): string {
  let end = text.length
  while (end > 0 && !/\s/.test(text.charAt(end - 1))) end--
  return text.slice(0, end)
}

/** What each kind of mark holds, the last in the text first. */
const FINDERS: Readonly<Record<Marker, (text: string) => readonly Mark[]>> = { hash: hashes, boxed: boxes, phrase: phrases }

/** `Answer: 72` and `Result = 72` behind `####` hold 72. */
const LABEL =
  /^(?:(?:the|my)\s{1,3})?(?:final\s{1,3}|correct\s{1,3})?(?:answer|result|solution|conclusion|total)s?[*_]{0,3}\s{0,3}(?::|：|=|-\s)\s{0,3}/i
const NAMES =
  'step|part|case|check|method|approach|section|question|problem|example|stage|phase|task|note|option|scenario|attempt|iteration|solution|equation|claim|lemma|proof'
/** Headings of a text in Markdown: `Step 2: …`, `3. Conclusion`, `Check 1`, `Verification`, `Calculate the total`. */
const HEADING = new RegExp(
  [
    String.raw`^(?:\d{1,3}(?:\.\d{1,3})?[.):]|[ivx]{1,4}[.)]|[IVX]{1,4}\.)\s+\p{L}`,
    String.raw`|^(?:the\s+)?(?:first|second|third|next|last|final)\s+(?:${NAMES})\b`,
    String.raw`|^(?:${NAMES})s?\s*(?:[:.)–—-]|$|(?:\d|[ivx]+\b|[A-Z]\b|one\b|two\b|three\b|four\b))`,
    String.raw`|^(?:conclusion|summary|explanation|analysis|reasoning|verification|given|setup|calculations?|details|reflection|interpretation|breakdown|final answer|answer|result|check(?:ing)?|let's|let us)s?\s*(?::|$|\s)`,
    String.raw`|^(?:calculat|comput|determin|find|solv|verify|verif|understand|identify|identif|add|subtract|multiply|divid|simplify|express|writ|substitut)(?:e|es|ing|s)?\s+\S`,
  ].join(''),
  'iu',
)

function hashes(text: string): Mark[] {
  const starts = [...text.matchAll(/#{4,}/g)].slice(-LOOKED_AT)
  return starts.reverse().map(({ index, 0: sign }): Mark => {
    const line = lineFrom(text, index + sign.length)
    const plain = line.text.replace(/^[\s*_]+/, '')
    const label = LABEL.exec(plain)
    const inside = label === null ? plain : plain.slice(label[0].length)
    if (label !== null && inside.replace(/[*_\s]/g, '') !== '') return { kind: 'hash', text: inside, start: index, end: line.end }
    if (/^(?:the\s+)?(?:final\s+)?(?:answer|result)\b[\s*_:：]*$/i.test(plain)) {
      const below = lineFrom(text, line.end)
      return { kind: 'hash', text: below.text, start: index, end: below.end }
    }
    const isHeading = HEADING.test(plain) && !/\banswers?\b.{0,80}?(?:\bis\b|:|=)/i.test(plain.slice(0, 200))
    return { kind: isHeading ? 'heading' : 'hash', text: line.text, start: index, end: line.end }
  })
}

/** The rest of the line, or the next one where nothing is left of it. */
function lineFrom(text: string, from: number): { readonly text: string; readonly end: number } {
  let start = from
  while (start < text.length && /\s/.test(text.charAt(start))) start++
  const newline = text.indexOf('\n', start)
  const end = newline < 0 ? text.length : newline
  return { text: text.slice(start, end), end }
}

/** The contents of `\boxed{…}` and `\fbox{…}` whose braces close, and of `\boxed 72`; found in one pass. */
function boxes(text: string): Mark[] {
  const found: Mark[] = []
  const open: { readonly start: number; readonly from: number; readonly isBox: boolean }[] = []
  for (const { index, 0: token } of text.matchAll(/\\(?:boxed|fbox)(?![a-zA-Z])[ \t]{0,8}\{?|\\[^]|[{}]/g)) {
    if (token === '}') {
      const top = open.pop()
      if (top?.isBox === true) found.push({ kind: 'boxed', text: text.slice(top.from, index), start: top.start, end: index + 1 })
    } else if (token === '{') open.push({ start: index, from: index + 1, isBox: false })
    else if (/^\\[bf]/.test(token) && token.length > 2) {
      const from = index + token.length
      if (token.endsWith('{')) open.push({ start: index, from, isBox: true })
      else found.push(bareBox(text, index, from))
    }
  }
  return found
    .sort((a, b) => a.start - b.start)
    .slice(-LOOKED_AT)
    .reverse()
}

/** `\boxed 72$`: what is in no braces, to the end of the formula or the word. */
function bareBox(text: string, start: number, from: number): Mark {
  const [inside = ''] = /^[^\s$\\{}]{1,80}/.exec(text.slice(from, from + 81)) ?? []
  const trimmed = withoutEnd(inside, '.,;:!?')
  return { kind: 'boxed', text: trimmed, start, end: from + trimmed.length }
}

const PHRASE =
  /(?:\b(?:answers?|ans\.?|final result)(?![\p{L}\d])(?:\s{1,3}(?:to|for|of|here|we|you|that|in|choice|option|letter|would|should|must|will|has)\b[^.\n:=：]{0,60}?)?(?:,\s?(?:therefore|thus|then|hence|so),?)?[*_"'\s)]{0,6}(?:\bis\b|\bare\b|\bwas\b|\bbe\b|\bbecomes\b|\bequals\b|\bcomes (?:out )?to\b|\bcomes out as\b|:|：|=|→|->)|答案(?:是|为|為)?\s?[:：]?)[*_]{0,6}(?:\s{0,3}[:：])?/giu
/** A line that holds only "Answer", as Markdown headings or in bold. */
const TITLE = /^[ \t]{0,8}(?:#{1,6}[ \t]{0,8}|\*\*|__)(?:the )?(?:final |correct )?answer[:：]?(?:\*\*|__)?[:：]?[ \t]{0,8}$/gim
const ABBREVIATED = /(?:\b(?:Rs|approx|No|ca|e\.g|i\.e|vs|St|Mr|Mrs|Dr|cf|U\.S))$/i

/** What stands before an answer that nobody gives: `the wrong answer is`, `if the answer is`, `one might think the answer is`. */
const UNASSERTED =
  /\b(?:wrong|incorrect|false|naive|tempting|impossible|not (?:the|an?)(?: (?:right|correct|final))?|(?:if|suppose|assume|assuming|say|unless|whether|(?:might|may|could|would|can) (?:\w{1,12} )?(?:think|say|guess|assume|expect|believe)) (?:that )?(?:the |my |our |an? )?(?:final |correct |right )?)\s{0,2}$/i

/** What follows "the answer is", to the end of the sentence. A question asserts nothing. */
function phrases(text: string): Mark[] {
  const said = [...text.matchAll(PHRASE)]
    .filter(({ index }) => !UNASSERTED.test(text.slice(Math.max(0, index - 60), index)))
    .slice(-LOOKED_AT)
  const titles = [...text.matchAll(TITLE)].slice(-LOOKED_AT)
  return [...said, ...titles]
    .sort((a, b) => b.index - a.index)
    .map(({ index, 0: phrase }): Mark => {
      const line = lineFrom(text, index + phrase.length)
      const from = line.end - line.text.length
      const end = sentenceEnd(line.text)
      return { kind: 'phrase', text: line.text.slice(0, end), start: index, end: from + end }
    })
}

function sentenceEnd(line: string): number {
  const stop = /[.!?;。！？；](?=\s|["')*$\]}]|$)|[。！？；]/g
  for (let found = stop.exec(line); found !== null; found = stop.exec(line)) {
    const isAbbreviation = found[0] === '.' && ABBREVIATED.test(line.slice(Math.max(0, found.index - 8), found.index))
    // The answer is 3; 4.
    const goesOn =
      found[0] === ';' && /^\s*(?:[-$([\\]{0,4}\d|\(?[A-Z]\)?\s*(?:[.;,]|$))/.test(line.slice(found.index + 1, found.index + 20))
    const isEllipsis = found[0] === '.' && line.charAt(found.index - 1) === '.'
    if (!isAbbreviation && !goesOn && !isEllipsis) return found[0] === '?' ? found.index + 1 : found.index
  }
  return line.length
}

function patternMarks(text: string, pattern: LinearPattern): Mark[] {
  return pattern
    .matches(text, LOOKED_AT)
    .map(({ text: inside, start, end }): Mark => ({ kind: 'pattern', text: inside, start, end }))
    .reverse()
}
