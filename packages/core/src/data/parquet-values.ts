import { PlumbError } from '../errors'
import type { JsonObject } from './json'

/** Bytes of a Parquet file that are no UTF-8, where a text stands or may stand. */
export const NOT_UTF8 = Symbol('not UTF-8')

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function textOf(bytes: Uint8Array | undefined): string | typeof NOT_UTF8 | undefined {
  if (bytes === undefined) return undefined
  try {
    return strict.decode(bytes)
  } catch {
    return NOT_UTF8
  }
}

/** A column of JSON holds what the texts say; one that is no JSON stays the text that it is. */
export function jsonOf(bytes: Uint8Array | undefined): unknown {
  const text = textOf(bytes)
  if (typeof text !== 'string') return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** A row as JSON would have it. @throws PlumbError PLUMB_DATA_ENCODING */
export function rowValue(row: Readonly<Record<string, unknown>>, where: string): JsonObject {
  const exact = new Set<string>()
  const valueOf = (value: unknown, path: string): unknown => {
    if (value === null || value === undefined) return undefined
    if (typeof value === 'number') return Number.isNaN(value) ? undefined : value
    if (typeof value === 'bigint') return numberOf(value, exact)
    if (value === NOT_UTF8)
      throw new PlumbError(
        'PLUMB_DATA_ENCODING',
        `"${path}" holds bytes that are no text in UTF-8; leave the column out, or write it as text.`,
        where,
      )
    if (typeof value !== 'object') return value
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.toISOString()
    if (ArrayBuffer.isView(value))
      return value instanceof Uint8Array
        ? value
        : Array.from(value as unknown as Iterable<unknown>, (one, at) => valueOf(one, `${path}.${at}`) ?? null)
    if (Array.isArray(value)) return value.map((one, at) => valueOf(one, `${path}.${at}`) ?? null)
    return object(value as Readonly<Record<string, unknown>>, path)
  }
  const object = (value: Readonly<Record<string, unknown>>, path: string): unknown =>
    Object.fromEntries(
      Object.entries(value).flatMap(([key, inner]) => {
        const found = valueOf(inner, path === '' ? key : `${path}.${key}`)
        return found === undefined ? [] : [[key, found]]
      }),
    )
  return { value: object(row, ''), exact }
}

function numberOf(value: bigint, exact: Set<string>): number | string {
  if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value)
  const digits = String(value)
  exact.add(digits)
  return digits
}
