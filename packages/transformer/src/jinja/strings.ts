import type { JinjaValue } from '../huggingface'
import { boolean, integer, isNone, isString, isNumber, list, string } from './values'

/** `str.isspace` of Python: not quite JavaScript's white space (no U+FEFF, but the separators U+001C–U+001F and U+0085). */
// oxlint-disable-next-line no-control-regex -- they are white space
const SPACE = /[\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/
const isSpace = (char: string) => SPACE.test(char)

type Side = 'left' | 'right' | 'both'

/** `str.strip`, `lstrip`, `rstrip`; without `chars`, white space. */
export function strip(value: string, side: Side = 'both', chars?: string): string {
  const points = Array.from(value)
  const set = chars === undefined ? undefined : new Set(chars)
  const goes = (char: string | undefined) => char !== undefined && (set ? set.has(char) : isSpace(char))
  let start = 0
  let end = points.length
  if (side !== 'right') while (start < end && goes(points[start])) start++
  if (side !== 'left') while (end > start && goes(points[end - 1])) end--
  return points.slice(start, end).join('')
}

/** `str.title` capitalises after everything that is no letter, the filter `title` after white space, dashes and brackets only. */
export const titleMethod = (value: string) => value.replace(/\p{L}+/gu, capitalize)
export const titleFilter = (value: string) =>
  value
    .split(/([-\s({[<]+)/u)
    .map((word) => (word === '' ? '' : capitalize(word)))
    .join('')

export function capitalize(value: string): string {
  const [first = '', ...rest] = Array.from(value)
  return first.toUpperCase() + rest.join('').toLowerCase()
}

export const codePoints = (value: string) => Array.from(value)

type Method = (self: string, args: readonly JinjaValue[]) => JinjaValue

const stripping =
  (side: Side): Method =>
  (self, [chars]) =>
    string(strip(self, side, chars === undefined || isNone(chars) ? undefined : textOf(chars)))

const affix =
  (test: (self: string, affix: string) => boolean): Method =>
  (self, args) => {
    if (args.length !== 1) throw new Error('startswith and endswith take one argument here')
    const [given] = args as [JinjaValue]
    const affixes = given.type === 'TupleValue' ? (given.value as readonly JinjaValue[]) : [given]
    return boolean(affixes.some((one) => test(self, textOf(one))))
  }

/** Methods of strings as Python has them: those that the package lacks or computes otherwise. */
export const STRING_METHODS: Readonly<Record<string, Method>> = {
  strip: stripping('both'),
  lstrip: stripping('left'),
  rstrip: stripping('right'),
  title: (self) => string(titleMethod(self)),
  capitalize: (self) => string(capitalize(self)),
  startswith: affix((self, start) => self.startsWith(start)),
  endswith: affix((self, end) => self.endsWith(end)),
  removeprefix: (self, [prefix]) => string(self.startsWith(textOf(prefix)) ? self.slice(textOf(prefix).length) : self),
  removesuffix: (self, [suffix]) => {
    const end = textOf(suffix)
    return string(end !== '' && self.endsWith(end) ? self.slice(0, -end.length) : self)
  },
  split: (self, args) => list(split(self, args).map(string)),
  rsplit: (self, args) => list(rsplit(self, args).map(string)),
  splitlines: (self) => list(lines(self).map(string)),
  find: (self, args) => {
    if (args.length !== 1) throw new Error('find takes one argument here')
    const at = self.indexOf(textOf(args[0]))
    return integer(at < 0 ? -1 : codePoints(self.slice(0, at)).length)
  },
  count: (self, args) => {
    if (args.length !== 1) throw new Error('count takes one argument here')
    const part = textOf(args[0])
    return integer(part === '' ? codePoints(self).length + 1 : self.split(part).length - 1)
  },
  isdigit: (self) => boolean(/^\p{Nd}+$/u.test(self)),
  isalpha: (self) => boolean(/^\p{L}+$/u.test(self)),
  isspace: (self) => boolean(self !== '' && codePoints(self).every(isSpace)),
}

function textOf(value: JinjaValue | undefined): string {
  if (value === undefined || !isString(value)) throw new Error(`a string was expected, not ${value?.type ?? 'nothing'}`)
  return value.value
}

function limits([separator, limit]: readonly JinjaValue[]): { readonly by?: string; readonly most: number } {
  if (separator?.type === 'KeywordArgumentsValue' || limit?.type === 'KeywordArgumentsValue') {
    throw new Error('split takes no keywords here')
  }
  const by = separator === undefined || isNone(separator) ? undefined : textOf(separator)
  if (by === '') throw new Error('empty separator')
  const most = limit !== undefined && isNumber(limit) && limit.value >= 0 ? limit.value : Infinity
  return { by, most }
}

function split(self: string, args: readonly JinjaValue[]): string[] {
  const { by, most } = limits(args)
  if (by !== undefined) {
    const parts = self.split(by)
    return parts.length - 1 <= most ? parts : [...parts.slice(0, most), parts.slice(most).join(by)]
  }
  const words: string[] = []
  for (let rest = strip(self, 'left'); rest !== '';) {
    const end = words.length >= most ? -1 : rest.search(SPACE)
    words.push(end < 0 ? rest : rest.slice(0, end))
    rest = end < 0 ? '' : strip(rest.slice(end), 'left')
  }
  return words
}

function rsplit(self: string, args: readonly JinjaValue[]): string[] {
  const { by, most } = limits(args)
  if (by === undefined) {
    if (most !== Infinity) throw new Error('rsplit with a limit needs a separator here')
    return split(self, [])
  }
  const parts = self.split(by)
  const first = parts.length - most
  return first <= 1 ? parts : [parts.slice(0, first).join(by), ...parts.slice(first)]
}

function lines(self: string): string[] {
  // oxlint-disable-next-line no-control-regex -- they end lines in Python
  const parts = self.split(/\r\n|[\n\r\v\f\u001c-\u001e\u0085\u2028\u2029]/)
  return parts.at(-1) === '' ? parts.slice(0, -1) : parts
}
