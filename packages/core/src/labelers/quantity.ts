import {
  addFractions,
  decimalFraction,
  divideFractions,
  fraction,
  multiplyFractions,
  negative,
  powerOfFraction,
  scaleFraction,
  type Fraction,
} from '../util/fraction'

/** A number of a text, or a place with digits that is none (`value` absent). */
export interface Quantity {
  readonly value?: Fraction
  /** It may be a number, but which one cannot be told: `2K`, `5!`, `1e99999`. */
  readonly isUnclear?: boolean
  readonly start: number
  readonly end: number
}

// 1,234.50 with commas in threes (or twos and a three, as in India); 1 234 and 1'234 and 1_234; 1234.5; .5
const UNSIGNED = String.raw`(?:\d{1,3}(?:,\d{2,3})*,\d{3}|\d{1,3}(?: \d{3})+(?!\d)|\d{1,3}(?:'\d{3})+|\d{1,3}(?:_\d{3})+|\d+)(?:\.\d+)?|\.\d+`
const POWER = String.raw`\s?\^\s?(?:\+?(?<power>-?\d+))`
const TEN = String.raw`\s?[×x*·]\s?10\s?\^\s?\+?(?<ten>-?\d+)`
const SCALE = String.raw`(?:[\s-]?(?<scale>(?:(?:hundred|thousand|lakh|million|crore|billion|trillion)\b\s?)+))`
const NUMBER = new RegExp(
  [
    String.raw`(?:(?<whole>\d+)(?:\s+(?<over>\d+)\/(?<under>\d+)(?!\s?\/)|\s?\uE000(?<part>\d+)\/(?<of>\d+)\uE001)`,
    String.raw`|\uE000(?<above>[-+]?[\d.]+)\/(?<below>[-+]?[\d.]+)\uE001`,
    String.raw`|(?<top>${UNSIGNED})\s*\/\s*(?<bottom>${UNSIGNED})`,
    String.raw`|(?<plain>${UNSIGNED})(?:${TEN}|${POWER}|[eE]\+?(?<exponent>-?\d+))?)${SCALE}?`,
  ].join(''),
  'iy',
)
// What makes a number part of something else: more digits, an expression, a ratio, a time, a list, a symbol.
const INSIDE =
  /\d|[.,'_]\d|\s?[-+*×÷·/<>:≤≥]\s?[\d(.\uE000\\√π]|\s?[xX]\s?[\d(]|\s?\^|\s?[π√∞±]|\u0304|\u0305|\u0307|(?<=\.\d+)\.\.|\s[eE][-+]?\d|\s?\|(?!\|)|\s?\\[a-zA-Z]|[(\uE000{]|\s?\)+\s?(?:[\^(]|[-+*×÷·/]\s?[\d(.\\])/y
const LETTER = /([a-zA-Z])(?!\p{L})|\s[xyzn](?!\p{L})/uy
/** Units of one letter that may be glued to a number; other letters make it a term (`2x`). */
const UNIT_LETTERS = new Set('mgshlLCFVNAWJd')
/** Factors of thousand as often as something else, and the factorial. */
const UNCLEAR_LETTER = /\s?[kKMBT](?![\p{L}\d])/uy
const UNCLEAR_BEHIND =
  /[\s-]?(?:mn|mill?|bn|cr|bil|tril|mio|mrd|tsd|mille|tausend|mil(?:l[io]+|h[oõ])nes?|million\w{1,3}|milliarden?|тыс\p{L}*|млн|млрд|pi|dozens?|scores?|gross|squared|cubed|factorial|(?:hundred|thousand|lakh|million|crore|billion|trillion|quadrillion|quintillion)(?:s|ths?)?|hal(?:fs?|ves)|(?:third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|hundredth|thousandth)s?)(?!\p{L})|\s?[百千万萬億亿兆]|\s?[*×·]\s?pi(?!\p{L})|\s?\/\s?\p{L}+ths?(?!\p{L})|[a-zA-Z]\d+\s?\p{L}|!/iuy
/** `f(72)`, `sin(72)` and `|72|` hold an argument. */
const INSIDE_CALL = /(?:(?<!\p{L})\p{L}|(?:sin|cos|tan|log|ln|exp|sqrt|gcd|lcm|max|min|abs|floor|ceil|round|mod|factorial))\(\s?$|\|\s?$/iu
const SCALES: Readonly<Record<string, number>> = { hundred: 2, thousand: 3, lakh: 5, million: 6, crore: 7, billion: 9, trillion: 12 }

/** Every place of a plain text (see plainText) where digits stand, names with digits (`x2`, `Q3`) left out. */
export function quantitiesOf(plain: string): Quantity[] {
  const found: Quantity[] = []
  const digits = /\uE000|\.?\d/g
  for (let next = digits.exec(plain); next !== null; next = digits.exec(plain)) {
    const quantity = isName(plain, next.index) ? undefined : quantityAt(plain, next.index)
    if (quantity !== undefined) found.push(quantity)
    digits.lastIndex = quantity?.end ?? endOf(/[\w.]*/y, plain, next.index + 1)
  }
  return found
}

/** `x2`, `Q3`, and the exponent of `cm^2`. */
function isName(plain: string, at: number): boolean {
  return /[\p{L}_]$|\p{L}\^-?$/u.test(plain.slice(Math.max(0, at - 3), at))
}

function quantityAt(plain: string, at: number): Quantity {
  const start = signedFrom(plain, at)
  const before = plain.slice(Math.max(0, start - 12), start)
  const isAfterOperator = /[\^√{/*×÷<>≤≥±_·:+\\-]\s?$/.test(plain.slice(Math.max(0, start - 2), start))
  NUMBER.lastIndex = at
  const match = NUMBER.exec(plain)
  if (match?.groups === undefined) return { start, end: endOf(/[\d.,/:'_^\uE000\uE001]*/y, plain, at) }
  const end = at + match[0].trimEnd().length
  if (isAfterOperator || matchesAt(INSIDE, plain, end)) return { start, end: endOf(/[\d.,/:'_^\uE000\uE001]*/y, plain, end) }
  if (matchesAt(UNCLEAR_LETTER, plain, end) || matchesAt(UNCLEAR_BEHIND, plain, end) || INSIDE_CALL.test(before))
    return { start, end, isUnclear: true }
  LETTER.lastIndex = end
  const letter = LETTER.exec(plain)?.[0]
  if (letter !== undefined && !UNIT_LETTERS.has(letter)) return { start, end: end + 1 }
  const value = valueOf(match.groups)
  if (value === undefined) return { start, end, isUnclear: isTooLarge(match.groups) }
  return { value: plain.charAt(start) === '-' ? negative(value) : value, start, end }
}

/** Where the sign of a number stands: glued to it and to nothing before, or at the beginning of the text. */
function signedFrom(plain: string, at: number): number {
  const isSign = (where: number) => plain.charAt(where) === '-' || plain.charAt(where) === '+'
  if (isSign(at - 1)) return /[\w)\]%°\uE001+-]/.test(plain.charAt(at - 2)) ? at : at - 1
  return isSign(at - 2) && plain.charAt(at - 1) === ' ' && plain.slice(0, at - 2).trim() === '' ? at - 2 : at
}

function valueOf(groups: Readonly<Record<string, string | undefined>>): Fraction | undefined {
  const { whole, over, under, part, of, above, below, top, bottom, plain, ten, power, exponent, scale } = groups
  let value: Fraction | undefined
  if (whole !== undefined) value = mixed(whole, over ?? part ?? '', under ?? of ?? '')
  else if (above !== undefined) value = ratio(signed(above), signed(below ?? ''))
  else if (top !== undefined) value = ratio(decimal(top), decimal(bottom ?? ''))
  else if (plain !== undefined) value = raised(decimal(plain), ten ?? exponent, power)
  for (const word of scale?.toLowerCase().match(/[a-z]+/g) ?? []) value = value && scaleFraction(value, SCALES[word] ?? 0)
  return value
}

function raised(value: Fraction | undefined, ten: string | undefined, power: string | undefined): Fraction | undefined {
  if (value === undefined) return undefined
  if (ten !== undefined) return ten.length > 7 ? undefined : scaleFraction(value, Number(ten))
  return power === undefined ? value : power.length > 7 ? undefined : powerOfFraction(value, BigInt(power))
}

/** `1 1/2`; with a whole or more above the line (`1 200/3`) it may be a product or two numbers. */
function mixed(whole: string, top: string, bottom: string): Fraction | undefined {
  const part = ratio(decimal(top), decimal(bottom))
  const base = decimal(whole)
  return part === undefined || base === undefined || part.numerator >= part.denominator ? undefined : addFractions(base, part)
}

function ratio(a: Fraction | undefined, b: Fraction | undefined): Fraction | undefined {
  return a && b && divideFractions(a, b)
}

function decimal(written: string): Fraction | undefined {
  return decimalFraction(written.replace(/[, '_]/g, ''))
}

function signed(written: string): Fraction | undefined {
  const value = decimal(written.replace(/^[-+]/, ''))
  const minusOne = fraction(-1n)
  return written.startsWith('-') ? value && minusOne && multiplyFractions(value, minusOne) : value
}

function isTooLarge({ exponent, ten, power, plain, whole }: Readonly<Record<string, string | undefined>>): boolean {
  return [exponent, ten, power].some((written) => written !== undefined) || whole !== undefined || (plain?.length ?? 0) > 1_000
}

function matchesAt(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at
  return pattern.test(text)
}

function endOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  const found = pattern.exec(text)
  return Math.max(at + 1, at + (found?.[0].length ?? 0))
}
