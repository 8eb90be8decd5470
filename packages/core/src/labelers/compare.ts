import { equalFractions, formatFraction, fraction, multiplyFractions, type Fraction } from '../util/fraction'
import { readLetter } from './letter'
import { readNumber } from './number'
import { LONGEST_ANSWER, normalText, plainText } from './plain'

/** A final answer, read as what the expected one is. */
export type Answer =
  | {
      readonly kind: 'number'
      readonly value: Fraction
      readonly also?: Fraction
      readonly isCents?: boolean
      readonly isDollars?: boolean
    }
  | { readonly kind: 'choice'; readonly letter: string; readonly text?: string }
  | { readonly kind: 'text'; readonly text: string }
  /** Two readings are possible. */
  | { readonly kind: 'unclear'; readonly text: string }

/** The options of a multiple-choice question by their letters. */
export type Options = ReadonlyMap<string, string>

/** The expected answer: a number (with currency and unit), a letter of a multiple choice, or a text. */
export function readExpected(written: string, options: Options = new Map<string, string>()): Answer {
  const choice = /^\s*(?:\(([A-Za-z])\)|([A-Z])[.):]?|([a-z])[.)]?)\s*$/.exec(plainText(written).replaceAll('$', ''))
  const letter = (choice?.[1] ?? choice?.[2] ?? choice?.[3])?.toUpperCase()
  // A small letter by itself may be a variable.
  if (letter !== undefined && (choice?.[3] === undefined || options.has(letter))) return withText(letter, options.get(letter))
  const option = /^\s*\(?([A-Z])\)\s+(\S.*)$/s.exec(written)
  if (option?.[1] !== undefined && option[2] !== undefined) return withText(option[1], option[2])
  const reading = readNumber(written)
  if (reading.kind !== 'number' || (!reading.isAlone && reading.also === undefined)) return { kind: 'text', text: normalText(written) }
  return numberOf(reading, written)
}

function withText(letter: string, text: string | undefined): Answer {
  return text === undefined ? { kind: 'choice', letter } : { kind: 'choice', letter, text }
}

function numberOf({ value, also, isCents }: { value: Fraction; also?: Fraction; isCents: boolean }, written: string): Answer {
  return {
    kind: 'number',
    value,
    ...(also && { also }),
    isCents,
    isDollars: /\$\s?[-+]?[\d.]|USD|\bdollars?\b/.test(written.replaceAll('\\$', '$')),
  }
}

/** A candidate's answer, read as an answer of the expected kind where it can be, else as text. */
export function readGiven(written: string, expected: Answer, options: Options = new Map<string, string>()): Answer {
  if (expected.kind === 'number') {
    const reading = readNumber(written)
    if (reading.kind === 'number') return numberOf(reading, written)
    if (reading.kind === 'unclear') return unclear(written)
  }
  if (expected.kind === 'choice') return readChoice(written, expected, options)
  const text = normalText(written)
  if (expected.kind === 'text' && ['yes', 'no', 'true', 'false'].includes(expected.text)) {
    const both = /^(yes|no|true|false)\s*(?:[/,?]|or|and|but)\s*(yes|no|true|false)\b/.exec(text)
    if (both !== null && both[1] !== both[2]) return unclear(written)
    return { kind: 'text', text: text.split(/[^\p{L}]/u, 1)[0] ?? '' }
  }
  return { kind: 'text', text }
}

function unclear(written: string): Answer {
  return { kind: 'unclear', text: written.trim().slice(0, LONGEST_ANSWER) }
}

/** A letter, or the text of an option where it is that of no other. */
function readChoice(written: string, expected: Answer & { kind: 'choice' }, options: Options): Answer {
  const known = new Map(expected.text === undefined ? options : [...options, [expected.letter, expected.text] as const])
  const [, label, own] = /^\W*([A-Z])\W*[):.]\W?\s*(\S.*)$/s.exec(written.slice(0, LONGEST_ANSWER)) ?? []
  const option = label === undefined ? undefined : known.get(label)
  if (label !== undefined && own !== undefined && option !== undefined && sameText(own, option)) return { kind: 'choice', letter: label }
  const reading = readLetter(written)
  if (reading.kind === 'none') {
    const same = [...known].filter(([, text]) => sameText(written, text))
    const [only] = same
    if (same.length > 1) return unclear(written)
    return only === undefined ? { kind: 'text', text: normalText(written) } : { kind: 'choice', letter: only[0] }
  }
  if (reading.kind === 'unclear') return unclear(written)
  // `C) 42` and `42 (C)` where 42 is option B's text say two things.
  const said = [reading.before.replace(/[\s([]+$/, ''), reading.behind.replace(/^[\s).:\]]+/, '')].filter((beside) => beside !== '')
  const others = [...known].filter(([letter, text]) => letter !== reading.letter && said.some((beside) => sameText(beside, text)))
  if (others.length > 0) return unclear(written)
  return { kind: 'choice', letter: reading.letter }
}

function sameText(a: string, b: string): boolean {
  const [x, y] = [readNumber(a), readNumber(b)]
  if (x.kind === 'number' && y.kind === 'number' && x.isAlone && y.isAlone) return equalFractions(x.value, y.value)
  return normalText(a) === normalText(b) && normalText(a) !== ''
}

/** Whether a text may be an answer of the expected kind at all. */
export function isPlausible(written: string, { kind }: Answer): boolean {
  if (kind === 'number') return /[\p{Nd}½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒]/u.test(written.slice(0, LONGEST_ANSWER))
  return kind !== 'choice' || readLetter(written).kind !== 'none'
}

/** Whether two answers are the same; undefined where it depends on how one of them is meant. */
export function sameAnswer(given: Answer, expected: Answer): boolean | undefined {
  if (given.kind === 'unclear') return undefined
  if (given.kind === 'number' && expected.kind === 'number') return sameNumber(given, expected)
  if (given.kind === 'choice' && expected.kind === 'choice') return given.letter === expected.letter
  return given.kind === 'text' && expected.kind === 'text' && given.text === expected.text
}

type NumberAnswer = Answer & { kind: 'number' }

function sameNumber(given: NumberAnswer, expected: NumberAnswer): boolean | undefined {
  const ways = ({ value, also }: NumberAnswer) => (also === undefined ? [value] : [value, also])
  const isSame = ways(given).some((a) => ways(expected).some((b) => equalFractions(a, b)))
  const isMoney = given.isCents === true ? expected.isDollars === true : expected.isCents === true && given.isDollars === true
  if (isMoney) return inCents(given, expected)
  // 75¢ may be meant where 0.75 (dollars, though nobody says so) is expected.
  return !isSame && given.isCents !== expected.isCents && inCents(given, expected) ? undefined : isSame
}

/** Cents of the one are dollars of the other. */
function inCents(a: NumberAnswer, b: NumberAnswer): boolean {
  const [cents, dollars] = a.isCents === true ? [a, b] : [b, a]
  const hundred = fraction(100n)
  const amount = hundred && multiplyFractions(dollars.value, hundred)
  return amount !== undefined && equalFractions(cents.value, amount)
}

export function formatAnswer(answer: Answer): string {
  if (answer.kind === 'number') return formatFraction(answer.value)
  return answer.kind === 'choice' ? answer.letter : answer.text
}

/** The options that a prompt lists: lines `(A) 21`, `A) 21`, `A. 21`. */
export function optionsOf(prompt: string): Options {
  const found = new Map<string, string>()
  for (const [, letter, text] of prompt.matchAll(/^[ \t]{0,8}\(?([A-Z])[).:][ \t]{1,8}(\S.*)$/gm)) {
    if (letter !== undefined && text !== undefined) found.set(letter, plainText(text).trim() === '' ? '' : text)
  }
  return found.size > 1 ? found : new Map<string, string>()
}
