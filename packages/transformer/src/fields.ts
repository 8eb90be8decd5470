import { PlumbError, shownValue as show } from '@plumbline/core/base'
import type { ConfigJson } from './config-json'

/** Sizes are counted in int32 by the kernels. */
const MOST = 2 ** 31 - 1

/** The fields of a `config.json` with their checks; errors name the field and the file. */
export class Fields {
  constructor(
    readonly json: ConfigJson,
    readonly where: string,
    /** Where in the file the fields stand, as `rope_scaling.`. */
    private readonly prefix = '',
  ) {}

  has(key: string): boolean {
    return this.json[key] != null
  }

  positive(key: string, fallback?: number, most = MOST): number {
    const value = this.json[key] ?? fallback
    if (Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= most) return value as number
    throw this.wrong(key, typeof value === 'number' && value > most ? `at most ${most}` : 'a positive whole number')
  }

  number(key: string, fallback: number): number {
    const value = this.json[key] ?? fallback
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
    throw this.wrong(key, 'a positive number')
  }

  /** A positive number, or nothing where the field is null or absent. */
  optionalNumber(key: string): number | undefined {
    return this.has(key) ? this.number(key, 1) : undefined
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.json[key] ?? fallback
    if (typeof value === 'boolean') return value
    throw this.wrong(key, 'true or false')
  }

  /** A list with one entry for each layer; undefined where the field is null or absent. */
  perLayer<T>(key: string, layers: number, isEntry: (value: unknown) => value is T, expected: string): T[] | undefined {
    const value = this.json[key]
    if (value == null) return undefined
    if (Array.isArray(value) && value.length === layers && value.every(isEntry)) return value
    throw this.wrong(key, `a list of ${layers}, one for each layer, of ${expected}`)
  }

  tokenIds(key: string): number[] {
    const value = this.json[key]
    const ids: unknown[] = value == null ? [] : Array.isArray(value) ? value : [value]
    // −1 is how some configs say "none".
    const present = ids.filter((id) => id !== -1)
    if (present.every((id) => Number.isSafeInteger(id) && (id as number) >= 0)) return present as number[]
    throw this.wrong(key, 'a token id, a list of token ids, or null')
  }

  /** Refuses a field that would change the computation: it must be absent or hold one of these. */
  only(key: string, values: readonly unknown[], remark = ''): void {
    const value = this.json[key]
    if (value == null || values.includes(value)) return
    throw this.unsupported(
      `${this.prefix}${key} ${show(value)} is not supported${remark}; supported: ${values.map((one) => show(one)).join(', ')}.`,
    )
  }

  wrong(key: string, expected: string): PlumbError {
    const value = this.json[key]
    return this.malformed(`${this.prefix}${key} is ${value == null ? 'missing' : show(value)}; expected ${expected}.`)
  }

  unsupported(message: string): PlumbError {
    return new PlumbError('PLUMB_MODEL_UNSUPPORTED', message, this.where)
  }

  malformed(message: string): PlumbError {
    return new PlumbError('PLUMB_MODEL_CONFIG', message, this.where)
  }
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
