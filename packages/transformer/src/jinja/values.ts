import { jinja, type JinjaEnvironment, type JinjaNode, type JinjaValue } from '../huggingface'

/** The package exports no classes of values; a literal of each kind shows them. */
type Make<T> = new (value: T) => JinjaValue

const { Interpreter, Environment } = jinja
const blank = new Environment()
const classOf = <T>(value: JinjaValue) => (value as unknown as { constructor: Make<T> }).constructor
const literal = <T>(type: string, value?: unknown) =>
  classOf<T>(new Interpreter(blank).evaluate(type === '' ? undefined : ({ type, value } as JinjaNode), blank))

const Str = literal<string>('StringLiteral', '')
const Int = literal<number>('IntegerLiteral', 0)
const Float = literal<number>('FloatLiteral', 0.5)
const List = literal<readonly JinjaValue[]>('ArrayLiteral', [])
const Tuple = literal<readonly JinjaValue[]>('TupleLiteral', [])
const Dict = literal<ReadonlyMap<string, JinjaValue>>('ObjectLiteral', new Map())
const None = literal<null>('Comment')
const Undefined = literal<undefined>('')
const Bool = classOf<boolean>(blank.set('probe_bool', true))
const Callable = classOf<Call>(blank.set('probe_function', () => null))

/** What a template may call; keyword arguments come last, as a `KeywordArgumentsValue`. */
export type Call = (args: readonly JinjaValue[], environment: JinjaEnvironment) => JinjaValue

export const string = (value: string): JinjaValue => new Str(value)
export const integer = (value: number): JinjaValue => new Int(value)
export const float = (value: number): JinjaValue => new Float(value)
export const boolean = (value: boolean): JinjaValue => new Bool(value)
export const list = (items: readonly JinjaValue[]): JinjaValue => new List(items)
export const tuple = (items: readonly JinjaValue[]): JinjaValue => new Tuple(items)
export const dict = (entries: ReadonlyMap<string, JinjaValue>): JinjaValue => new Dict(entries)
export const callable = (call: Call): JinjaValue => new Callable(call)
export const none = (): JinjaValue => new None(null)
export const absent = (): JinjaValue => new Undefined(undefined)

export const isString = (value: JinjaValue): value is JinjaValue & { value: string } => value.type === 'StringValue'
export const isList = (value: JinjaValue): value is JinjaValue & { value: readonly JinjaValue[] } =>
  value.type === 'ArrayValue' || value.type === 'TupleValue'
export const isDict = (value: JinjaValue): value is JinjaValue & { value: ReadonlyMap<string, JinjaValue> } =>
  value.type === 'ObjectValue' || value.type === 'KeywordArgumentsValue'
export const isNumber = (value: JinjaValue): value is JinjaValue & { value: number } =>
  value.type === 'IntegerValue' || value.type === 'FloatValue'
export const isBoolean = (value: JinjaValue): value is JinjaValue & { value: boolean } => value.type === 'BooleanValue'
export const isNone = (value: JinjaValue) => value.type === 'NullValue'
export const isUndefined = (value: JinjaValue) => value.type === 'UndefinedValue'

/** `str(value)` of Python: what `{{ value }}` writes. */
export function text(value: JinjaValue): string {
  if (isString(value)) return value.value
  if (isUndefined(value)) return ''
  return repr(value)
}

function repr(value: JinjaValue): string {
  if (isString(value)) return quoted(value.value)
  if (isBoolean(value)) return value.value ? 'True' : 'False'
  if (isNone(value)) return 'None'
  if (isUndefined(value)) return 'Undefined'
  if (value.type === 'IntegerValue') return wholeNumber(value.value as number)
  if (value.type === 'FloatValue') return floatRepr(value.value as number)
  if (value.type === 'TupleValue') {
    const items = (value.value as readonly JinjaValue[]).map(repr)
    return `(${items.join(', ')}${items.length === 1 ? ',' : ''})`
  }
  if (isList(value)) return `[${value.value.map(repr).join(', ')}]`
  if (isDict(value)) return `{${[...value.value].map(([key, item]) => `${quoted(key)}: ${repr(item)}`).join(', ')}}`
  throw new Error(`a ${value.type} cannot be written as text`)
}

function wholeNumber(value: number): string {
  if (!Number.isSafeInteger(value)) throw new Error('an integer beyond 2^53 was computed')
  return String(value)
}

/** Python writes an exponent of two digits at least, from 1e16 on and below 1e-4. */
function floatRepr(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf'
  if (Object.is(value, -0)) return '-0.0'
  const size = Math.abs(value)
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) {
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
  }
  const plain = String(value)
  return plain.includes('.') ? plain : `${plain}.0`
}

/** Python's quotes: single ones, unless the text holds them and no double ones. */
function quoted(value: string): string {
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'"
  const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', [quote]: `\\${quote}` }
  // oxlint-disable-next-line no-control-regex -- control characters are what is escaped
  const escaped = value.replace(/[\\\n\r\t'"\u0000-\u001f\u007f-\u00a0\u00ad]/g, (char) => {
    const known = escapes[char]
    if (known !== undefined || char === "'" || char === '"') return known ?? char
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  return quote + escaped + quote
}

/** `a == b` of Python: booleans are numbers, nothing else changes its type. */
export function equals(a: JinjaValue, b: JinjaValue): boolean {
  const isNumeric = (value: JinjaValue) => isNumber(value) || isBoolean(value)
  if (isNumeric(a) && isNumeric(b)) return Number(a.value) === Number(b.value)
  if (isList(a) && isList(b) && a.type === b.type) {
    return a.value.length === b.value.length && a.value.every((item, i) => equals(item, b.value[i] ?? absent()))
  }
  if (isDict(a) && isDict(b)) {
    return (
      a.value.size === b.value.size && [...a.value].every(([key, item]) => b.value.has(key) && equals(item, b.value.get(key) ?? absent()))
    )
  }
  return a.type === b.type && a.value === b.value
}

export interface JsonOptions {
  readonly indent?: number
  readonly ensureAscii?: boolean
  readonly separators?: readonly [string, string]
  readonly sortKeys?: boolean
}

/** `json.dumps(value, …)` of Python, which is the filter `tojson` of transformers. */
export function json(value: JinjaValue, options: JsonOptions = {}, depth = 0): string {
  const { indent, ensureAscii = false, sortKeys = false } = options
  const [between, colon] = options.separators ?? [indent === undefined ? ', ' : ',', ': ']
  const jsonText = (content: string) => {
    const plain = JSON.stringify(content).replaceAll('\u007f', ensureAscii ? '\\u007f' : '\u007f')
    return ensureAscii ? plain.replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`) : plain
  }
  const wrap = (open: string, items: readonly string[], close: string) => {
    if (indent === undefined || items.length === 0) return open + items.join(between) + close
    const margin = (level: number) => `\n${' '.repeat(indent * level)}`
    return open + margin(depth + 1) + items.join(between + margin(depth + 1)) + margin(depth) + close
  }
  if (isNone(value)) return 'null'
  if (isBoolean(value)) return String(value.value)
  if (isString(value)) return jsonText(value.value)
  if (isNumber(value)) return repr(value)
  if (isList(value))
    return wrap(
      '[',
      value.value.map((item) => json(item, options, depth + 1)),
      ']',
    )
  if (isDict(value)) {
    const entries = [...value.value]
    if (sortKeys) entries.sort(([a], [b]) => (a < b ? -1 : Number(a > b)))
    return wrap(
      '{',
      entries.map(([key, item]) => jsonText(key) + colon + json(item, options, depth + 1)),
      '}',
    )
  }
  throw new Error(`a ${value.type} cannot be written as JSON`)
}
