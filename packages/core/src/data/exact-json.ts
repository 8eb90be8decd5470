import { endOfString } from './json-text'

/**
 * A JSON text that `JSON.parse` has accepted, read again with the digits of its numbers and an eye on its keys.
 *
 * Node 20 has no `context.source` in revivers, and the packages that keep digits (`lossless-json`, `json-bigint`) assign to
 * `__proto__` or take an equal value of a repeated key; of a text known to be valid there is little left to read.
 */
export function exactJson(text: string, on: { number(digits: string): unknown; duplicate(key: string): never }): unknown {
  let at = 0
  const skipBlank = (): void => {
    while (at < text.length && text.charCodeAt(at) <= 0x20) at++
  }
  const string = (): string => {
    const end = endOfString(text, at)
    const value = JSON.parse(text.slice(at, end + 1)) as string
    at = end + 1
    return value
  }
  const object = (): unknown => {
    const found: [string, unknown][] = []
    const keys = new Set<string>()
    at++
    skipBlank()
    while (text[at] !== '}') {
      if (text[at] === ',') at++
      skipBlank()
      const key = string()
      if (keys.has(key)) on.duplicate(key)
      keys.add(key)
      skipBlank()
      at++ // the colon
      found.push([key, value()])
      skipBlank()
    }
    at++
    return Object.fromEntries(found)
  }
  const list = (): unknown[] => {
    const found: unknown[] = []
    at++
    skipBlank()
    while (text[at] !== ']') {
      if (text[at] === ',') at++
      found.push(value())
      skipBlank()
    }
    at++
    return found
  }
  const value = (): unknown => {
    skipBlank()
    switch (text[at]) {
      case '{':
        return object()
      case '[':
        return list()
      case '"':
        return string()
      default: {
        const start = at
        while (at < text.length && /[\w.+-]/.test(text.charAt(at))) at++
        const word = text.slice(start, at)
        return /^[-\d]/.test(word) ? on.number(word) : JSON.parse(word)
      }
    }
  }
  return value()
}

/**
 * Whether a number may become a double: its digits are those of the double, at their own length. `0.1`, `1e3` and a 0.1 printed
 * with 17 or 55 digits pass; 1e400 does not, nor does any whole number beyond 2^53 whose digits JavaScript would show otherwise.
 */
export function isFaithful(written: string): boolean {
  const value = Number(written)
  if (!Number.isFinite(value)) return false
  const digits = significant(written)
  if (value === 0 || digits === '') return value === 0 && digits === ''
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) return /e/i.test(written) && significant(String(value)) === digits
  return digits.length <= 100 && significant(value.toPrecision(digits.length)) === digits
}

/** The digits from the first to the last that is not 0. */
function significant(number: string): string {
  return number
    .replace(/e.*/i, '')
    .replace(/[-+.]/g, '')
    .replace(/^0+|0+$/g, '')
}
