import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, type Document, type Pair, type YAMLMap } from 'yaml'
import { PlumbError, type PlumbErrorCode } from '../errors'
import type { Override } from './overrides'
import { shownPath } from '../util/shown-path'
import { isDeep, parseYaml, TOO_DEEP, YamlError } from './yaml'

export type KeyPath = readonly PropertyKey[]

/** Where a config came from, and where in that file each key stands. */
export interface ConfigSource {
  /** Absolute, or undefined for a config made in memory. */
  readonly file?: string
  /** The place of a key as an error shows it: `file:line`, `file` where lines are not known, or the override that set it. */
  where(path: KeyPath): string | undefined
}

/** A config text with the lines of its keys. JSON is read through the same parser, of which it is a subset. */
export class ParsedText {
  private constructor(
    readonly value: unknown,
    private readonly document: Document,
    private readonly lines: LineCounter,
  ) {}

  /** @throws PlumbError PLUMB_CONFIG_SYNTAX with the line. */
  static yaml(text: string, shownFile: string): ParsedText {
    if (isDeep(text)) throw syntaxError(TOO_DEEP, shownFile, undefined)
    try {
      const { document, lines } = parseYaml(text)
      return new ParsedText(document.toJS(), document, lines)
    } catch (problem) {
      if (problem instanceof RangeError) throw syntaxError(TOO_DEEP, shownFile, undefined)
      throw syntaxError((problem as Error).message, shownFile, problem instanceof YamlError ? problem.line : undefined)
    }
  }

  /** @throws PlumbError PLUMB_CONFIG_SYNTAX with the line, also for what YAML would allow and JSON does not. */
  static json(text: string, shownFile: string): ParsedText {
    const plain = text.replace(/^\uFEFF/, '')
    if (isDeep(plain)) throw syntaxError(TOO_DEEP, shownFile, undefined)
    let value: unknown
    try {
      value = JSON.parse(plain)
    } catch (problem) {
      const message = (problem as Error).message
      throw syntaxError(message.replace(/ \(line \d+ column \d+\)$/, ''), shownFile, jsonErrorLine(message, plain))
    }
    const lines = new LineCounter()
    const document = parseDocument(plain, { lineCounter: lines, prettyErrors: false, uniqueKeys: false })
    return new ParsedText(value, document, lines)
  }

  has(keys: KeyPath): boolean {
    let node: unknown = this.document.contents
    for (const key of keys) {
      const next = this.below(this.resolved(node), key)
      if (next === undefined) return false
      node = next.value
    }
    return true
  }

  private resolved(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.document) : node
  }

  /** What a key of a section or an index of a list leads to, and the node that shows where it stands. */
  private below(node: unknown, key: PropertyKey): { readonly value: unknown; readonly place: unknown } | undefined {
    if (isMap(node)) {
      const pair = this.pairs(node).get(String(key))
      return pair === undefined ? undefined : { value: pair.value, place: pair.key }
    }
    if (!isSeq(node)) return undefined
    const item = node.items[Number(key)]
    return isNode(item) ? { value: item, place: item } : undefined
  }

  private readonly indexes = new WeakMap<YAMLMap, ReadonlyMap<string, Pair>>()

  private pairs(map: YAMLMap): ReadonlyMap<string, Pair> {
    const known = this.indexes.get(map)
    if (known !== undefined) return known
    // The first of a name stands, as a search from the start would find it.
    const index = new Map(map.items.toReversed().map((pair): [string, Pair] => [keyName(pair), pair]))
    this.indexes.set(map, index)
    return index
  }

  /** The line of a key, or of the nearest key around it that is there. */
  line(keys: KeyPath): number {
    // A section of an imported file is pointed at by the import.
    if (keys.length > 0 && !this.has(keys.slice(0, 1)) && this.has(['$import'])) return this.line(['$import'])
    let node: unknown = this.document.contents
    let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0
    for (const key of keys) {
      const next = this.below(this.resolved(node), key)
      if (next === undefined) break
      if (isNode(next.place)) offset = next.place.range?.[0] ?? offset
      node = next.value
    }
    return this.lines.linePos(offset).line
  }
}

function keyName({ key }: Pair): string {
  return isScalar(key) ? String(key.value) : String(key)
}

function jsonErrorLine(message: string, text: string): number | undefined {
  const position = /at position (\d+)/.exec(message)
  if (position) return text.trimEnd().slice(0, Number(position[1])).split('\n').length
  if (/end of JSON/.test(message)) return text.trimEnd().split('\n').length
  const lines = new LineCounter()
  const error = parseDocument(text, { lineCounter: lines, prettyErrors: false }).errors[0]
  return error === undefined ? undefined : lines.linePos(error.pos[0]).line
}

function syntaxError(message: string, shownFile: string, line: number | undefined): PlumbError {
  const sentence = /[.!?]$/.test(message) ? message : `${message}.`
  return new PlumbError('PLUMB_CONFIG_SYNTAX', sentence, line === undefined ? shownFile : `${shownFile}:${line}`)
}

/** The source of a config read from a file and changed by overrides. `prefix` is where the config lies in the file (package.json). */
export function fileSource(
  file: string,
  cwd: string,
  text: ParsedText | undefined,
  overrides: readonly Override[],
  prefix: KeyPath = [],
): ConfigSource {
  const shown = shownPath(file, cwd)
  const place = (keys: KeyPath): string => (text === undefined ? shown : `${shown}:${text.line(keys)}`)
  return {
    file,
    where: (keys) => {
      const path = [...prefix, ...keys]
      return overrideOf(keys, overrides, text?.has(path) ?? true) ?? place(path)
    },
  }
}

/** The source of a config made in memory. */
export function memorySource(overrides: readonly Override[] = []): ConfigSource {
  return { where: (keys) => overrideOf(keys, overrides, false) }
}

/** The last override that set a key, or, for a section the file does not have, the last one that set something in it. */
function overrideOf(keys: KeyPath, overrides: readonly Override[], inFile: boolean): string | undefined {
  const starts = (whole: KeyPath, start: KeyPath): boolean => start.every((key, index) => String(whole[index]) === String(key))
  // A single `align` that is not a list also answers to `align.0`.
  const isSingle = keys[0] === 'align' && typeof keys[1] === 'string'
  const own = ({ path }: Override): KeyPath => (isSingle && path[0] === 'align' && path[1] === '0' ? ['align', ...path.slice(2)] : path)
  const set = overrides.findLast((override) => starts(keys, own(override)))
  const within = inFile ? undefined : overrides.findLast((override) => starts(own(override), keys))
  const override = set ?? within
  return override === undefined ? undefined : `--set ${override.text}`
}

/** One thing wrong with a config. */
export interface Problem {
  readonly code: PlumbErrorCode
  readonly message: string
  readonly where?: string
}

/** A config with something wrong in it, as far as it could be read. */
export interface ConfigDraft {
  readonly written: unknown
  readonly folder: string
  readonly source: { readonly file?: string; shown(path: KeyPath): string; where(path: KeyPath): string | undefined }
}

const MOST_PROBLEMS = 10

/**
 * Everything found wrong with a config. Its own code, place and sentence are the first problem's; further ones follow in the
 * message, a line each, as the command line would print them.
 */
export class ConfigError extends PlumbError {
  readonly problems: readonly Problem[]

  /** @param draft the config that they were found in, so that more of them can be looked for. */
  constructor(
    all: readonly Problem[],
    readonly draft?: ConfigDraft,
  ) {
    const [first, ...others] = all
    const shown = others
      .slice(0, MOST_PROBLEMS - 1)
      .map((problem) => [problem.code, problem.where, problem.message].filter(Boolean).join('  '))
    const hidden = all.length - 1 - shown.length
    if (hidden > 0) shown.push(`… and ${hidden} more.`)
    super(first!.code, [first!.message, ...shown].join('\n'), first!.where)
    this.problems = all
  }
}
