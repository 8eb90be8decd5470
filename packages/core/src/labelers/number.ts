import { equalFractions, multiplyFractions, subtractFractions, fraction, type Fraction } from '../util/fraction'
import { CLOSE, OPEN, plainText, withoutMoney } from './plain'
import { quantitiesOf, type Quantity } from './quantity'
import { withoutEnd } from '../util/without-end'

/** What an answer says where a number is expected. */
export type NumberReading =
  /** One number; `also` where the text itself gives it in a second way (`0.5 = 50%`). `isAlone`: nothing but its unit stands beside it. */
  | { readonly kind: 'number'; readonly value: Fraction; readonly also?: Fraction; readonly isAlone: boolean; readonly isCents: boolean }
  /** Something else: a text, an expression, a time, a ratio, a tuple. */
  | { readonly kind: 'none' }
  /** A number, but which one cannot be told. */
  | { readonly kind: 'unclear' }

const NONE: NumberReading = { kind: 'none' }
const UNCLEAR: NumberReading = { kind: 'unclear' }

/** Reads the number that an answer gives: `72`, `$1,234.50`, `5\frac{1}{2}`, `x = 5`, `30 + 42 = 72`, `there are 72 apples left`. */
export function readNumber(written: string): NumberReading {
  const plain = withPlainParentheses(withSignWords(withRelations(withoutMoney(plainText(written))))).trim()
  if (!/[\d\uE000]/.test(plain)) return NONE
  if (isTuple(plain)) return NONE
  if (/[±≠]/.test(plain)) return UNCLEAR
  if (/\\[a-zA-Z]/.test(plain)) return isCommandsAlone(plain) ? NONE : UNCLEAR
  return concluded(withoutReason(plain))
}

/** A root, π or another command that is left: not a number, and its digits are not the answer. */
function isCommandsAlone(plain: string): boolean {
  return !/\b(?:or|and)\b|,/.test(plain)
}

function isTuple(plain: string): boolean {
  return /^[([{]|^\\\{/.test(plain) && /,/.test(plain) && /[)\]}]\W*$/.test(plain)
}

function withRelations(plain: string): string {
  return plain
    .replace(/!=|=\/=/g, '≠')
    .replace(/>=/g, '≥')
    .replace(/<=/g, '≤')
    .replace(/[=-]+>/g, '→')
    .replace(/={2,}/g, '=')
}

/** `minus 5` and `negative 5`, where they are not an operation. */
function withSignWords(plain: string): string {
  return plain.replace(
    /(^|\b(?:is|are|be|was|equals|to|exactly|of|about)\s+|[=:]\s?)(minus|negative|plus|positive)\s+(?=[\d.\uE000])/gi,
    (_, before: string, sign: string) => before + (/^[mn]/i.test(sign) ? '-' : ''),
  )
}

/** `(5)` is 5 and `-(5)` is −5 where nothing is called or multiplied with what stands in the parentheses, and they are no aside. */
function withPlainParentheses(plain: string): string {
  return plain.replace(
    /([-+]?)\s?\(\s?([-+]?)\s?([\d.,]*\d|\uE000[^\uE001]*\uE001)\s?(%?)\s?\)(?!\s?[\^(\d])/g,
    (whole, sign: string, inner: string, number: string, percent: string, at: number) => {
      const before = plain.slice(Math.max(0, at - 2), at).trim()
      if (
        /\d\.$/.test(before) ||
        (/[\w)\]%°\uE001]$/.test(before) && (sign !== '' || !/[a-z]\s$/i.test(plain.slice(0, at)) || /\d$/.test(before)))
      )
        return whole
      const isNegative = (sign === '-') !== (inner === '-')
      return `${isNegative ? '-' : ''}${number}${percent}`
    },
  )
}

const REASON =
  /[\s,;(]+(?:because|since|although|though|even if|whereas|given that|due to|based on|where|considering|as (?=\S+(?: \S+){0,3} [-+*×÷/=]))\b/i
const CONTRAST = /[\s,;(]+(?:and |but )?(?:not|rather than|instead of|as opposed to)\s/i

/** The text before the reason that is given for the answer, and before what the answer is not, where digits stand there. */
function withoutReason(plain: string): string {
  let text = plain
  for (const pattern of [REASON, CONTRAST]) {
    const at = text.search(pattern)
    if (at > 0 && /[\d\uE000]/.test(text.slice(0, at))) text = text.slice(0, at)
  }
  return text
}

const CONCLUSION =
  /(?:^|[\s,;:(]+)(?:and )?(?:so|thus|therefore|hence|i\.e\.|that is|which (?:is|equals|makes|gives|means|comes to)|equals|making(?: it)?|giving|for a total of)\b[\s,:]*/gi

/** `5 more than 10, so 15`: the last conclusion is the answer, unless a number that stands on its own before it says otherwise. */
function concluded(text: string): NumberReading {
  const last = [...text.matchAll(CONCLUSION)].filter(({ index }) => index > 0).at(-1)
  const tail = last && text.slice(last.index + last[0].length)
  if (last === undefined || tail === undefined || !/[\d\uE000]/.test(tail)) return equated(text)
  const head = text.slice(0, last.index)
  const said = equated(tail)
  const before = /[\d\uE000]/.test(head) ? equated(head) : NONE
  if (said.kind !== 'number') return before.kind === 'number' && said.kind === 'none' ? before : UNCLEAR
  if (before.kind === 'number' && !equalFractions(before.value, said.value)) return UNCLEAR
  return { ...said, isAlone: false }
}

/** `5x`, `x + 2`: what an equation says of it is not the answer yet. */
const UNSOLVED = /\d\s?[xyznk](?!\p{L})|(?<!\p{L})[xyznk]\s?[-+*/^×÷]|[-+*/×÷]\s?[xyznk](?!\p{L})/u

/** Of `30 + 42 = 72` the last side that is a number counts; `0.5 = 50%` and `22/3 ≈ 7.33` give the answer in two ways. */
function equated(text: string): NumberReading {
  const parts = text.split(/([=≈→])/)
  const sides = parts.filter((_, at) => at % 2 === 0)
  if (sides.length === 1) return oneNumber(text)
  // x = 3, y = 4
  if (sides.slice(1, -1).some((side) => /(?:[,;&]|\band\b|\bor\b)\s*[^,;]*$/.test(side))) return UNCLEAR
  if (UNSOLVED.test(sides[0] ?? '')) return UNCLEAR
  const readings = sides.map((side) => ({ side, reading: oneNumber(side) })).filter(({ side }) => /[\d\uE000]/.test(side))
  if (readings.some(({ reading }, at) => reading.kind === 'unclear' && at > 0)) return UNCLEAR
  const numbers = readings.filter(({ reading }) => reading.kind === 'number')
  const last = numbers.at(-1)
  if (last?.reading.kind !== 'number') return NONE
  // 72 = 24 + x: an expression may follow the answer only where it is all there is besides it.
  if (readings.at(-1) !== last && numbers.length > 1) return UNCLEAR
  const isAlone =
    sides.length === 2 && last.reading.isAlone && /^\s*(?:[a-zA-Z]|[-+*×÷/^.\d\s()]*)\s*$/.test(sides[0] ?? '') && last.side === sides[1]
  const before = numbers.at(-2)
  if (before?.reading.kind !== 'number') return { ...last.reading, isAlone }
  const [a, b] = [before.reading.value, last.reading.value]
  const also = sameInOtherWords(before.side, a, last.side, b, text.includes('≈'))
  if (also) return { ...last.reading, also: a, isAlone: false }
  return equalFractions(a, b) || hasUnit(before.side) || hasUnit(last.side) ? { ...last.reading, isAlone: false } : UNCLEAR
}

function sameInOtherWords(left: string, a: Fraction, right: string, b: Fraction, isRounded: boolean): boolean {
  const hundred = fraction(100n)
  const times = (value: Fraction) => hundred && multiplyFractions(value, hundred)
  const [asPercent, ofPercent] = [times(a), times(b)]
  if (right.includes('%') && asPercent && equalFractions(asPercent, b)) return true
  if (left.includes('%') && ofPercent && equalFractions(ofPercent, a)) return true
  if (!isRounded) return false
  const places = /\.(\d+)/.exec(right)?.[1]?.length ?? 0
  const difference = subtractFractions(a, b)
  if (difference === undefined) return false
  const size = difference.numerator < 0n ? -difference.numerator : difference.numerator
  return 2n * size * 10n ** BigInt(places) <= difference.denominator
}

function hasUnit(side: string): boolean {
  return /\p{L}{2}|[$¢°%]/u.test(side)
}

const NEGATION =
  /\b(?:not|never|neither|nor|cannot|no longer|except|unknown|undefined|undetermined|impossible|wrong|incorrect|false|anything but)\b|n't\b/i
/** Words before a number that make it a bound, a part of a sum, or the name of something. */
const CHANGED_BEFORE =
  /(?:\b(?:between|from|more than|less than|fewer than|greater than|larger than|smaller than|higher than|lower than|other than|at least|at most|up to|over|under|above|below|beyond|within|nearly|almost|just (?:over|under)|either|half(?: of)?|twice|thrice|double|triple|times|plus|minus|divided by|multiplied by|squared?|cubed?|square root of|root of|sqrt|log|ln|none of|a (?:third|quarter|fifth|tenth) of|power(?: of)?|mod|factorial)|[<>≤≥])\s*$/i
/** Words behind a number that make another one of it. */
const CHANGED_BEHIND =
  /^\s*%?\s*(?:\p{L}+\s+){0,2}?(?:(?:more|less|fewer|greater|larger|smaller|higher|lower|bigger|older|younger|taller|shorter|longer|times)\b[^,;]*?\bthan\b|to the power|squared|cubed|or (?:more|less|fewer|so)\b|at (?:least|most)|out of|below zero|of (?:(?:the|these|those|all|his|her|their|its|every)\s+)?\d|in\s+(?:every\s+)?\d+\W*$|by\s+\d|[rR]\s?\d|and\s+(?:an?|one|two|three|\d)[\s-]+(?:half|halves|third|quarter|fourth|fifth|sixth|eighth|tenth)s?\b|\(?(?:(?:is|was|seems|looks)\s+)?(?:wrong|incorrect|false|not (?:right|correct|the answer))\b|times (?:as|more|the|that|what|\d)|plus\b|minus\b|divided\b|multiplied\b|mod(?:ulo)?\b|through\b|or\b|to\s+[\d\uE000])|^\s*[+±]/iu
const WAVERING =
  /\b(?:or|either|neither|otherwise|unless|respectively|correction|oops|i mean)\b|(?:^|[,.;:-])\s*(?:no|wait|actually|sorry)\b|\?/i
/** What may introduce a further number that is not the answer: `72 apples in 3 boxes`. */
const CONTEXT = /\b(?:for|in|on|after|with|from|at|by|during|over|using|when|if|left|of (?:the|his|her|their|its|these|those)|per)\b/i
const JOINED = /[,;&+/]|\b(?:and|or|to|plus|minus|times|than|but|out of|versus|vs|otherwise|else|through)\b/i
const INTRODUCED =
  /\b(?:after|in|for|on|by|from|with|at|if|when|per|every|each|between|all|and|of|day|step|part|question|problem|number|no|week|year|month|option|case|group|person|box)\b/i

/** The one number of a text without equations. */
function oneNumber(text: string): NumberReading {
  const { main, asides } = withoutAsides(text)
  const found = quantitiesOf(main)
  const [first] = found
  if (first === undefined) return NONE
  const numbers = found.filter(({ value }) => value !== undefined)
  if (numbers.length === 0) return found.some(({ isUnclear }) => isUnclear) || found.length > 1 ? maybeUnclear(found, main) : NONE
  if (numbers.length < found.length || first.value === undefined) return UNCLEAR
  const before = main.slice(0, first.start)
  if (NEGATION.test(before) || isChanged(main, first) || WAVERING.test(main)) return UNCLEAR
  if (!saysTheSame(asides, first.value)) return UNCLEAR
  const { value } = first
  const others = numbers.filter((other) => other.value !== undefined && !equalFractions(other.value, value))
  if (others.length > 0 && !isContext(main, found)) return UNCLEAR
  const isAlone = found.length === 1 && isFiller(before) && isUnit(main.slice(first.end))
  return { kind: 'number', value, isAlone, isCents: /^\s?(?:¢|cents?\b)/i.test(main.slice(first.end)) }
}

/** Digits that are no number: an expression, a time or a ratio by itself is a text; where it is one of several, nobody knows. */
function maybeUnclear(found: readonly Quantity[], main: string): NumberReading {
  return found.some(({ isUnclear }) => isUnclear) || /\b(?:or|and|not)\b/.test(main) ? UNCLEAR : NONE
}

function isChanged(main: string, { start, end }: Quantity): boolean {
  return CHANGED_BEFORE.test(main.slice(Math.max(0, start - 40), start)) || CHANGED_BEHIND.test(main.slice(end, end + 120))
}

/** Whether the first number is the answer and the others belong to its circumstances. */
function isContext(main: string, found: readonly Quantity[]): boolean {
  const [first] = found
  if (
    first === undefined ||
    INTRODUCED.test(
      main
        .slice(0, first.start)
        .replace(/\b(?:total|sum|number|amount|average|mean|cost|price|value|area|length|distance|speed|result) of\b/gi, ''),
    )
  )
    return false
  return found.slice(1).every(({ start }, at) => {
    const gap = main.slice(found[at]?.end ?? 0, start)
    return CONTEXT.test(gap) && !JOINED.test(gap)
  })
}

/** Parentheses behind a number: `10 (ten)`, `72 (24 + 48)`. */
function withoutAsides(text: string): { readonly main: string; readonly asides: readonly string[] } {
  const asides: string[] = []
  const main = text.replace(/(?<=\S)\s\(([^()]*)\)/g, (whole, inside: string, at: number) => {
    if (!/[\d\uE000]/.test(text.slice(0, at))) return whole
    asides.push(inside)
    return ' '
  })
  return { main, asides }
}

const WORDS =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty'.split(
    ' ',
  )

/** An aside that is a number itself must be the same one; one that wavers says that the number is not sure. */
function saysTheSame(asides: readonly string[], value: Fraction): boolean {
  return asides.every((aside) => {
    const word = WORDS.indexOf(aside.trim().toLowerCase())
    if (word >= 0) return value.denominator === 1n && value.numerator === BigInt(word)
    if (NEGATION.test(aside) || WAVERING.test(aside)) return false
    const found = quantitiesOf(aside)
    const [only] = found
    if (found.length !== 1 || only?.value === undefined || !isFiller(aside.slice(0, only.start)) || !isUnit(aside.slice(only.end)))
      return true
    return equalFractions(only.value, value)
  })
}

/** Words that may stand before a number and say no more than that it is one. */
function isFiller(before: string): boolean {
  return /^[\s"'*_:$~≈-]*(?:(?:exactly|about|approximately|approx\.?|around|roughly|only|just|simply|a total of|total|equals?|is|are|the answer is)[\s:]*)*$/i.test(
    before,
  )
}

/** `apples`, `km/h`, `cm^2`, `%`, `m/s^2`, `miles per hour`. */
function isUnit(behind: string): boolean {
  return behind.length <= 48 && /^\s*(?:[\p{L}%°$¢'"".² ³/·*-]|\^-?\d)*\s*[.!]?\s*$/u.test(behind)
}

// With the sign before it; groups of three behind a space belong to it.
const RUN =
  /(?<sign>[-\u2212\u2013+])?(?<![\p{L}_\d.])(?<run>[.]?[\d½⅓⅔¼¾⅕⅛\uFF10-\uFF19][\d.,/'_^½⅓⅔¼¾⅕⅛\uFF10-\uFF19]*(?:[ \u00A0\u2009\u202F]\d{3}(?!\d))*)/gu
/** As many candidates are looked at from the end. */
const LOOKED_AT = 200

/** The last number of a text that is one on its own, as it is written. */
export function lastNumber(text: string): string | undefined {
  const runs = [...text.matchAll(RUN)].slice(-LOOKED_AT).reverse()
  for (const { index, 0: whole, groups } of runs) {
    const { sign = '', run = '' } = groups ?? {}
    const start = index + whole.length - run.length
    const signed =
      (/[\p{L}\d)\]]\s?$/u.test(text.slice(Math.max(0, index - 2), index)) ? '' : sign) +
      text.slice(start, start + Math.min(run.length, 400) + 24)
    const [first] = quantitiesOf(withoutMoney(plainText(signed)))
    const isWhole = first?.value !== undefined && first.start === 0 && first.end >= Math.min(withoutEnd(run, '.,').length, 400)
    if (isWhole) return withoutMoney(plainText(signed)).slice(0, first.end).replaceAll(OPEN, ' ').replaceAll(CLOSE, '').trim()
  }
  return undefined
}
