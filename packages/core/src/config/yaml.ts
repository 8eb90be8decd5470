import { isAlias, isCollection, isNode, isScalar, LineCounter, parseDocument, visit, type Document } from 'yaml'

/** What makes a YAML text no configuration. */
export class YamlError extends Error {
  constructor(
    message: string,
    readonly line: number,
  ) {
    super(message)
  }
}

export const TOO_DEEP = 'The configuration is nested too deeply'
const DEEPEST = 500

/**
 * Whether brackets are open deeper, or more marks of lists, keys and sections follow each other in a line, than a configuration has
 * levels: the parser calls itself for each, and ends the process at some ten thousand. Marks in strings count, which does no harm.
 */
export function isDeep(text: string): boolean {
  let depth = 0
  for (const [mark] of text.matchAll(/[[\]{}]/g)) {
    depth = mark === '[' || mark === '{' ? depth + 1 : Math.max(0, depth - 1)
    if (depth > DEEPEST) return true
  }
  return MARKS.test(text)
}

const MARKS = new RegExp(`^(?:[ \\t]*[-?:](?=[ \\t])){${DEEPEST}}`, 'm')

/** @throws YamlError */
export function parseYaml(text: string): { readonly document: Document; readonly lines: LineCounter } {
  const lines = new LineCounter()
  const fail = (message: string, at: number): never => {
    // The parser and what goes through its result call themselves for each level.
    const sentence = message.includes('call stack') ? TOO_DEEP : message
    throw new YamlError(sentence, lines.linePos(at).line)
  }
  // The parser compares each key with all before it, which takes minutes for as many keys as a megabyte holds.
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false, uniqueKeys: false })
  const [error] = document.errors
  if (error !== undefined) fail(error.message, error.pos[0])
  try {
    const wrong = wrongKey(document)
    if (wrong !== undefined) fail(wrong.message, wrong.at)
  } catch (problem) {
    if (!(problem instanceof RangeError)) throw problem
    fail(problem.message, 0)
  }
  return { document, lines }
}

/** The value of a YAML text that came without a file. @throws an Error */
export function yamlValue(text: string): unknown {
  if (isDeep(text)) throw new Error(TOO_DEEP)
  return parseYaml(text).document.toJS()
}

/** A configuration has a handful of them, and looking one up goes through the whole text. */
const MOST_ALIASES = 1000

/**
 * The first key that a configuration cannot have: the second of one name, in any section (merge keys, `<<`, may stand several times); a
 * section, list or alias as a key, since each would be written out as a text, and one in another as often as they are nested. Also the
 * first alias that cannot stand where it does.
 */
function wrongKey(document: Document): { readonly message: string; readonly at: number } | undefined {
  let found: { readonly message: string; readonly at: number } | undefined
  let aliases = 0
  const stop = (node: unknown, message: string) => {
    found = { message, at: isNode(node) ? (node.range?.[0] ?? 0) : 0 }
    return visit.BREAK
  }
  visit(document, {
    Alias: (_, alias, path) => {
      if (++aliases > MOST_ALIASES) return stop(alias, `The configuration has more than ${MOST_ALIASES} aliases`)
      const isAround = (node: unknown) => isCollection(node) && node.anchor === alias.source && alias.resolve(document) === node
      return path.some(isAround) ? stop(alias, `The alias *${alias.source} stands within what it stands for, which has no end`) : undefined
    },
    Map: (_, map) => {
      const seen = new Set<string>()
      for (const { key } of map.items) {
        if (isCollection(key) || isAlias(key)) return stop(key, 'A key must be a name, but this is a section, a list or an alias')
        const value = isScalar(key) ? String(key.value) : '<<'
        if (value === '<<') continue
        if (seen.has(value)) return stop(key, 'Map keys must be unique')
        seen.add(value)
      }
      return undefined
    },
  })
  return found
}
