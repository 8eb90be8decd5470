import type { JinjaValue } from '../huggingface'
import { capitalize, codePoints, strip, titleFilter } from './strings'
import * as v from './values'

export interface FilterArguments {
  readonly positional: readonly JinjaValue[]
  readonly keywords: ReadonlyMap<string, JinjaValue>
}

type Filter = (operand: JinjaValue, args: FilterArguments) => JinjaValue | undefined

/** An argument by its place or its name. */
function argument({ positional, keywords }: FilterArguments, place: number, name: string): JinjaValue | undefined {
  return positional[place] ?? keywords.get(name)
}

/**
 * The filters of Jinja that the package lacks or computes otherwise. A filter answers undefined where the operand is for the
 * package to treat.
 */
export const FILTERS: Readonly<Record<string, Filter>> = {
  string: (operand) => v.string(v.text(operand)),
  trim: (operand, args) => {
    const chars = argument(args, 0, 'chars')
    return v.string(strip(v.text(operand), 'both', chars === undefined || v.isNone(chars) ? undefined : v.text(chars)))
  },
  title: (operand) => v.string(titleFilter(v.text(operand))),
  capitalize: (operand) => v.string(capitalize(v.text(operand))),
  upper: (operand) => v.string(v.text(operand).toUpperCase()),
  lower: (operand) => v.string(v.text(operand).toLowerCase()),
  length: count,
  count,
  default: orElse,
  d: orElse,
  first: (operand) => items(operand)?.[0] ?? v.absent(),
  last: (operand) => items(operand)?.at(-1) ?? v.absent(),
  list: (operand) => {
    const all = items(operand)
    return all && v.list(all)
  },
  reverse: (operand) => {
    const reversed = items(operand)?.toReversed()
    if (reversed === undefined) return undefined
    return v.isString(operand) ? v.string(reversed.map(v.text).join('')) : v.list(reversed)
  },
  items: (operand) => (v.isUndefined(operand) ? v.list([]) : v.isDict(operand) ? pairs(operand.value) : undefined),
  join: (operand, args) => {
    const separator = argument(args, 0, 'd')
    const attribute = argument(args, 1, 'attribute')
    if (attribute !== undefined && !v.isNone(attribute)) throw new Error('join by an attribute is not supported')
    const between = separator === undefined ? '' : v.text(separator)
    const parts = (items(operand) ?? notIterable(operand)).map(v.text)
    if (between.length * parts.length > LONGEST_JOIN) throw new Error('join makes too long a text')
    return v.string(parts.join(between))
  },
  unique: (operand, args) => {
    const isCased = argument(args, 0, 'case_sensitive')?.value === true
    const fold = (item: JinjaValue) => (v.isString(item) && !isCased ? v.string(item.value.toLowerCase()) : item)
    const seen: JinjaValue[] = []
    return v.list(
      (items(operand) ?? notIterable(operand)).filter((item) => {
        const folded = fold(item)
        if (seen.some((other) => v.equals(other, folded))) return false
        seen.push(folded)
        return true
      }),
    )
  },
  int: (operand, args) => {
    if (args.positional.length > 1 || args.keywords.has('base')) throw new Error('int with a base is not supported')
    return wholeOf(operand) ?? argument(args, 0, 'default') ?? v.integer(0)
  },
  float: (operand, args) => {
    const number = numberOf(operand)
    return number === undefined ? (argument(args, 0, 'default') ?? v.float(0)) : v.float(number)
  },
  tojson: (operand, { positional, keywords }) => {
    if (positional.length > 0) throw new Error('tojson takes its options by name here')
    const indent = keywords.get('indent')
    const separators = keywords.get('separators')
    const [between, colon] = separators !== undefined && v.isList(separators) ? separators.value.map(v.text) : []
    return v.string(
      v.json(operand, {
        ...(indent !== undefined && v.isNumber(indent) ? { indent: indent.value } : {}),
        ...(between !== undefined && colon !== undefined ? { separators: [between, colon] } : {}),
        ensureAscii: keywords.get('ensure_ascii')?.value === true,
        sortKeys: keywords.get('sort_keys')?.value === true,
      }),
    )
  },
}

function count(operand: JinjaValue): JinjaValue {
  if (v.isUndefined(operand)) return v.integer(0)
  return v.integer((items(operand) ?? notIterable(operand)).length)
}

function orElse(operand: JinjaValue, args: FilterArguments): JinjaValue {
  const isStrict = !(argument(args, 1, 'boolean')?.__bool__().value ?? false)
  const isMissing = v.isUndefined(operand) || (!isStrict && !operand.__bool__().value)
  return isMissing ? (argument(args, 0, 'default_value') ?? v.string('')) : operand
}

/** Refused before it is built. */
const LONGEST_JOIN = 2 ** 26

/** `dict.items()`. */
export function pairs(entries: ReadonlyMap<string, JinjaValue>): JinjaValue {
  return v.list([...entries].map(([key, value]) => v.tuple([v.string(key), value])))
}

/** What a loop over the value gives: of a string its characters, of a mapping its keys. */
export function items(value: JinjaValue): readonly JinjaValue[] | undefined {
  if (v.isList(value)) return value.value
  if (v.isDict(value)) return [...value.value.keys()].map(v.string)
  if (v.isString(value)) return codePoints(value.value).map(v.string)
  return v.isUndefined(value) ? [] : undefined
}

export function notIterable(value: JinjaValue): never {
  throw new Error(`a ${value.type} cannot be iterated over`)
}

/** `int(value)`, else `int(float(value))`, as Jinja's filter tries. */
function wholeOf(value: JinjaValue): JinjaValue | undefined {
  if (v.isString(value) && /^[+-]?\d+(_\d+)*$/.test(strip(value.value))) return v.integer(Number(strip(value.value).replaceAll('_', '')))
  const number = numberOf(value)
  return number === undefined || !Number.isFinite(number) ? undefined : v.integer(Math.trunc(number) + 0)
}

function numberOf(value: JinjaValue): number | undefined {
  if (v.isNumber(value) || v.isBoolean(value)) return Number(value.value)
  if (!v.isString(value)) return undefined
  const written = strip(value.value)
  return /^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+)?$/i.test(written) ? Number(written.replaceAll('_', '')) : undefined
}
