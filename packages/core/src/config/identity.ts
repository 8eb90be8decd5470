import { references } from './environment'
import type { KeyPath } from './source'

type Options = Readonly<Record<string, unknown>>

/** What something that a plugin made is known by in the keys of artifacts. */
export interface Identity {
  readonly name: string
  /** Defaults filled in; `${env:NAME}` as it stands in the config; secrets left out. */
  readonly options?: Options
  /** The run's seed, where the factory asked for it. */
  readonly seed?: number
}

/** The name of the plugin → what its code is known by. */
export type CodeIdentity = Readonly<Record<string, string>>

/** What stands in an artifact for a secret. */
export const SECRET = '(secret)'

/**
 * Options as artifacts hold them.
 * @param written as they stand in the config.
 * @param parsed by the plugin's schema, the environment filled in.
 */
export function recordedOptions(schema: unknown, written: Options, parsed: unknown): Options | undefined {
  let recorded = parsed
  for (const { path, text } of references(written)) recorded = replaced(recorded, path, text)
  const result = marked(schema, plain(recorded))
  return typeof result === 'object' && result !== null && Object.keys(result).length > 0 ? (result as Options) : undefined
}

/** What JSON can hold of it: a schema may have made a regular expression, a URL or a function of a text. */
function plain(value: unknown): unknown {
  if (value instanceof RegExp || value instanceof URL) return String(value)
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return value.toISOString()
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

/** Sets a place below a value, where there is one. */
function replaced(value: unknown, path: KeyPath, text: string): unknown {
  const [key, ...rest] = path
  if (key === undefined) return text
  if (typeof value !== 'object' || value === null || !(key in value)) return value
  if (Array.isArray(value))
    return value.map((inner: unknown, index) => (String(index) === String(key) ? replaced(inner, rest, text) : inner))
  return { ...value, [key]: replaced((value as Record<PropertyKey, unknown>)[key], rest, text) }
}

/** The parts of a zod 4 schema that are read here; plugins may bring another copy of zod. */
interface Schema {
  readonly _zod?: {
    readonly def?: {
      readonly shape?: Readonly<Record<string, unknown>>
      readonly innerType?: unknown
      readonly in?: unknown
      readonly element?: unknown
      readonly valueType?: unknown
      readonly options?: readonly unknown[]
    }
  }
  readonly meta?: () => { readonly secret?: unknown; readonly affectsResults?: unknown } | undefined
}

/** Leaves out what does not affect results, and puts a note in the place of secrets. */
function marked(schema: unknown, value: unknown): unknown {
  if (value === undefined || value === null) return value
  const marks = marksOf(schema)
  if (marks.idle) return undefined
  if (marks.secret) return SECRET
  if (typeof value !== 'object') return value
  const inner = shapeOf(schema)
  if (Array.isArray(value)) return value.map((item: unknown) => marked(inner.element, item))
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => {
      const kept = marked(inner.shape?.[key] ?? inner.valueType, item)
      return kept === undefined ? [] : [[key, kept]]
    }),
  )
}

/** The marks of a schema and of what it wraps: `z.string().meta({ secret: true }).optional()` is a secret, too. */
function marksOf(schema: unknown): { secret: boolean; idle: boolean } {
  let [secret, idle] = [false, false]
  for (const each of chain(schema)) {
    const meta = each.meta?.()
    secret ||= meta?.secret === true
    idle ||= meta?.affectsResults === false
  }
  return { secret, idle }
}

function shapeOf(schema: unknown): NonNullable<NonNullable<Schema['_zod']>['def']> {
  const found = chain(schema).flatMap(({ _zod }) => (_zod?.def ? [_zod.def] : []))
  const shapes = found.flatMap(({ shape, options = [] }) => [shape, ...options.map((option) => shapeOf(option).shape)])
  return {
    shape: Object.assign({}, ...shapes) as Readonly<Record<string, unknown>>,
    element: found.find(({ element }) => element !== undefined)?.element,
    valueType: found.find(({ valueType }) => valueType !== undefined)?.valueType,
  }
}

function chain(schema: unknown): Schema[] {
  const found: Schema[] = []
  for (let current = schema as Schema | undefined; typeof current === 'object' && found.length < 20;) {
    found.push(current)
    const { innerType, in: input } = current._zod?.def ?? {}
    current = (innerType ?? input) as Schema | undefined
  }
  return found
}
