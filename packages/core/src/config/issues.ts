import type { z } from 'zod'
import { closest, suggestion } from '../util/suggest'
import { foreignName, plain } from './foreign-names'
import { homeOf } from './homes'
import { droppedKeys, keysOf, schemaAt } from './schema-shape'
import type { KeyPath, Problem } from './source'
import { withoutEnd } from '../util/without-end'

export { keysOf } from './schema-shape'

/** How problems of one schema are worded and placed. */
export interface Wording {
  /** The path as messages show it, for a path below the validated value. */
  shown(path: KeyPath): string
  where(path: KeyPath): string | undefined
  /** What an unknown key is not: `a configuration key`, `an option of loss "ca"`. */
  readonly noun: string
  /** Keys that would be right one level up, to be suggested too. */
  readonly alsoKnown?: readonly string[]
  /** The value as it was written, to be shown in the place of the one that is checked: that one holds the environment's values. */
  readonly written?: unknown
}

/** The parts of a zod issue that are read here; plugins may bring another copy of zod. */
interface Issue {
  readonly code?: string
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly expected?: unknown
  readonly values?: readonly unknown[]
  readonly keys?: readonly string[]
  readonly minimum?: number | bigint
  readonly maximum?: number | bigint
  readonly inclusive?: boolean
  readonly origin?: string
  readonly errors?: readonly (readonly Issue[])[]
}

export type Checked<T> = { readonly value: T; readonly problems?: undefined } | { readonly value?: undefined; readonly problems: Problem[] }

/** Validates strictly: a key the schema does not name is a problem even where the schema would drop it silently. */
export function check<S extends z.ZodType>(schema: S, value: unknown, wording: Wording): Checked<z.output<S>> {
  const result = schema.safeParse(value)
  const problems = result.success
    ? []
    : (result.error.issues as readonly Issue[]).flatMap((issue) => problemsOf(issue, schema, value, wording))
  const reported = new Set(result.success ? [] : (result.error.issues as readonly Issue[]).flatMap((issue) => issue.keys ?? []))
  const dropped = droppedKeys(schema, value).filter((key) => !reported.has(key))
  problems.push(...dropped.map((key) => unknownKey([], key, schema, wording)))
  return result.success && problems.length === 0 ? { value: result.data } : { problems }
}

function problemsOf(issue: Issue, schema: unknown, root: unknown, wording: Wording): Problem[] {
  const { path } = issue
  if (issue.code === 'unrecognized_keys') return (issue.keys ?? []).map((key) => unknownKey(path, key, schema, wording))
  if (issue.code === 'invalid_union' && issue.errors !== undefined && issue.errors.length > 0) {
    const fitting = issue.errors.filter((branch) => !branch.some((inner) => inner.code === 'invalid_type' && inner.path.length === 0))
    // Of several sections the one that is meant is the one that the written keys come closest to.
    fitting.sort((a, b) => misfits(a) - misfits(b))
    if (fitting.length > 0) {
      const below = {
        ...wording,
        shown: (at: KeyPath) => wording.shown([...path, ...at]),
        where: (at: KeyPath) => wording.where([...path, ...at]),
        written: valueAt(wording.written ?? root, path),
      }
      return fitting[0]!.flatMap((inner) => problemsOf(inner, schemaAt(schema, path), valueAt(root, path), below))
    }
    const expected = issue.errors.flatMap((branch) =>
      branch.filter((inner) => inner.path.length === 0).map((inner) => kind(inner.expected)),
    )
    return [invalid(path, root, `must be ${[...new Set(expected)].join(' or ')}`, wording)]
  }
  const problem = invalid(path, root, requirement(issue), wording)
  const known = issue.expected === 'object' && valueAt(root, path) !== undefined ? keysOf(schemaAt(schema, path)) : []
  return [known.length === 0 ? problem : { ...problem, message: `${problem.message} Its keys: ${known.join(', ')}.` }]
}

const misfits = (branch: readonly Issue[]): number => branch.reduce((sum, { keys }) => sum + (keys?.length ?? 1), 0)

function invalid(path: KeyPath, root: unknown, rule: string, { shown, where, written = root }: Wording): Problem {
  const value = valueAt(written, path)
  const place = { code: 'PLUMB_CONFIG_INVALID', where: where(path) } as const
  const name = shown(path) || 'The configuration'
  if (value === undefined) return { ...place, message: `${name} is missing; it ${rule}.` }
  return { ...place, message: `${name} ${rule}, but is ${show(value)}.${meant(rule, value)}` }
}

function meant(rule: string, value: unknown): string {
  if (typeof value !== 'string' || !rule.startsWith('must be one of ')) return ''
  const options = [...rule.matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? '')
  const best = closest(value, options)
  return best === undefined ? '' : ` Did you mean "${best}"?`
}

function requirement(issue: Issue): string {
  const bound = issue.inclusive === false
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${kind(issue.expected)}`
    case 'invalid_value':
      return issue.values?.length === 1 ? `must be ${show(issue.values[0])}` : `must be one of ${(issue.values ?? []).map(show).join(', ')}`
    case 'too_small':
      if (issue.origin === 'string') return issue.minimum === 1 ? 'must not be empty' : `must have at least ${issue.minimum} characters`
      if (issue.origin === 'array') return `must have at least ${issue.minimum} ${issue.minimum === 1 ? 'entry' : 'entries'}`
      return `must be ${bound ? 'greater than' : 'at least'} ${issue.minimum}`
    case 'too_big':
      if (issue.origin === 'string') return `must have at most ${issue.maximum} characters`
      if (issue.origin === 'array') return `must have at most ${issue.maximum} ${issue.maximum === 1 ? 'entry' : 'entries'}`
      return `must be ${bound ? 'less than' : 'at most'} ${issue.maximum}`
    default: {
      const message = withoutEnd(issue.message, '. \n')
      return /^(must|is|has|needs)\b/.test(message) ? message : `is not valid (${message})`
    }
  }
}

function unknownKey(path: KeyPath, key: string, schema: unknown, { shown, where, noun, alsoKnown = [] }: Wording): Problem {
  const known = keysOf(schemaAt(schema, path))
  const others = path.length === 0 ? [...known, ...alsoKnown] : known
  const hint = hintFor(key, known, others)
  return { code: 'PLUMB_CONFIG_UNKNOWN_KEY', where: where([...path, key]), message: `${shown([...path, key])} is not ${noun}. ${hint}` }
}

/** What was meant: our own name written otherwise, another tool's name, a slip of the keyboard, or a key of another section. */
function hintFor(key: string, known: readonly string[], others: readonly string[]): string {
  const same = others.find((other) => plain(other) === plain(key))
  if (same !== undefined) return suggestion(same, [same])
  const foreign = foreignName(key)
  if (foreign !== undefined) return foreign
  if (closest(key, others) !== undefined) return suggestion(key, others)
  return homeOf(key) ?? suggestion(key, known, 'Known keys')
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a section of keys',
  record: 'a section of keys',
  null: 'null',
}

function kind(expected: unknown): string {
  return KINDS[String(expected)] ?? String(expected)
}

function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object' && value !== null) return 'a section of keys'
  const text = (JSON.stringify(value) as string | undefined) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 57)}…"` : text
}

function valueAt(root: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key], root)
}
