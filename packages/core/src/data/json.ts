import { PlumbError } from '../errors'
import { looksLike } from './sniff'
import { exactJson, isFaithful } from './exact-json'
import { endOfString } from './json-text'

/** A JSON object of a data file. */
export interface JsonObject {
  /** Numbers that a double does not hold are strings of the digits that the file has. */
  readonly value: unknown
  /** Those strings. */
  readonly exact: ReadonlySet<string>
}

/** Lists and objects in each other; what is deeper is an attack or a mistake, and would overflow the stack of whoever walks it. */
const DEEPEST = 512

const NONE: ReadonlySet<string> = new Set()

/**
 * A JSON object, without what `JSON.parse` lets through or changes in silence.
 *
 * @throws PlumbError PLUMB_DATA_JSON (no JSON, no object, a key twice in one object, nested too deep), PLUMB_DATA_ENCODING
 *   (half of a surrogate pair as an escape, which no UTF-8 text can hold).
 */
export function parseObject(text: string, where: string, unit: 'line' | 'element' = 'line'): JsonObject {
  const expected = unit === 'line' ? 'one JSON object per line' : 'a JSON object'
  const error = (message: string): PlumbError => new PlumbError('PLUMB_DATA_JSON', message, where)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (failure) {
    const reason = (failure as Error).message
    throw error(`This ${unit} is not JSON (${reason}); expected ${expected}.${looksLike(text.slice(0, 2000))}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const found = Array.isArray(value) ? 'a list' : JSON.stringify(value)
    throw error(`Expected ${expected}, but this ${unit} is ${found.slice(0, 60)}.`)
  }
  const { keys, depth, longNumber } = survey(text)
  if (depth > DEEPEST) throw error(`Lists and objects are nested more than ${DEEPEST} deep.`)
  if (longNumber || keys !== countKeys(value)) {
    const exact = new Set<string>()
    value = exactJson(text, {
      number: (digits) => {
        if (isFaithful(digits)) return Number(digits)
        exact.add(digits)
        return digits
      },
      duplicate: (key) => {
        throw error(`The key ${JSON.stringify(key).slice(0, 60)} stands twice in one object; only one of the two values would count.`)
      },
    })
    refuseHalfCharacters(text, value, where)
    return { value, exact }
  }
  refuseHalfCharacters(text, value, where)
  return { value, exact: NONE }
}

interface Survey {
  readonly keys: number
  readonly depth: number
  /** Whether a number may be one that a double changes. */
  readonly longNumber: boolean
}

/** One pass over a valid JSON text that leaps over strings. Every text up to 15 significant digits comes back from a double as it was. */
function survey(text: string): Survey {
  let keys = 0
  let depth = 0
  let deepest = 0
  let longNumber = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) {
      at = endOfString(text, at)
      if (isKey(text, at)) keys++
    } else if (code === 0x7b || code === 0x5b) {
      depth++
      if (depth > deepest) deepest = depth
    } else if (code === 0x7d || code === 0x5d) {
      depth--
    } else if (code >= 0x30 && code <= 0x39) {
      const start = at
      while (isNumeral(text.charCodeAt(at + 1))) at++
      if (at - start >= 15) longNumber = true
      const next = text.charCodeAt(at + 1)
      if (next === 0x65 || next === 0x45) longNumber = true
    }
  }
  return { keys, depth: deepest, longNumber }
}

const isNumeral = (code: number): boolean => (code >= 0x30 && code <= 0x39) || code === 0x2e

/** Whether the string that closes at `end` is a key. */
function isKey(text: string, end: number): boolean {
  let at = end + 1
  while (text.charCodeAt(at) <= 0x20) at++
  return text.charCodeAt(at) === 0x3a
}

function countKeys(root: unknown): number {
  let count = 0
  const open = [root]
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== 'object' || value === null) continue
    const inner = Array.isArray(value) ? (value as unknown[]) : Object.values(value)
    if (!Array.isArray(value)) count += inner.length
    for (const one of inner) if (typeof one === 'object' && one !== null) open.push(one)
  }
  return count
}

/** `"\ud83d"` alone is half a character. Tokenizers make U+FFFD of it, another text than the file's. */
function refuseHalfCharacters(text: string, value: unknown, where: string): void {
  // Bytes that are not UTF-8 were refused, so that only an escape makes one.
  if (!/\\u[dD][89a-fA-F]/.test(text)) return
  const found = halfCharacter(value, '')
  if (found === undefined) return
  throw new PlumbError(
    'PLUMB_DATA_ENCODING',
    `${found.path === '' ? 'A key' : `"${found.path}"`} holds ${found.escape} without the other half of its surrogate pair, which is no character.`,
    where,
  )
}

function halfCharacter(value: unknown, path: string): { path: string; escape: string } | undefined {
  if (typeof value === 'string') {
    const half = /\p{Surrogate}/u.exec(value)
    return half === null ? undefined : { path, escape: `\\u${half[0].charCodeAt(0).toString(16)}` }
  }
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, inner] of Object.entries(value)) {
    const found = halfCharacter(key, '') ?? halfCharacter(inner, path === '' ? key : `${path}.${key}`)
    if (found !== undefined) return found
  }
  return undefined
}
