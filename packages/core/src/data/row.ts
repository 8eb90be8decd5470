import type { z } from 'zod'
import { check } from '../config/issues'
import { PlumbError, type PlumbErrorCode } from '../errors'
import { closest } from '../util/suggest'
import { fittingFormat } from './formats'

const WRAPPERS = ['data', 'rows', 'train', 'test', 'validation', 'examples', 'instances', 'records', 'items', 'questions']

/** One row of a data file. */
export class Row {
  constructor(
    readonly value: unknown,
    /** `file:line`. */
    readonly where: string,
    /** The reader's format, for the hint that another one fits. */
    private readonly format?: string,
    /** Numbers that stand in `value` as strings, since a double would change them. */
    private readonly exact: ReadonlySet<string> = new Set(),
    /** The fields of the format, for the hint that one is misspelt. */
    private readonly fields: readonly string[] = [],
  ) {}

  /** A field of the row by its name; undefined where it has none. */
  field(name: string): unknown {
    const { value } = this
    return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
  }

  /** The row by a schema (of the fields that matter, others being let through). @throws PlumbError PLUMB_DATA_FIELD */
  as<S extends z.ZodType>(schema: S): z.output<S> {
    const paths: (readonly PropertyKey[])[] = []
    const checked = check(schema, this.value, {
      shown: (keys) => (keys.length === 0 ? 'The row' : `"${keys.map(String).join('.')}"`),
      where: (keys) => {
        paths.push(keys)
        return this.where
      },
      noun: 'a field of this format',
    })
    if (checked.problems === undefined) return checked.value
    throw this.misfit(this.changed(paths[0] ?? []) ?? checked.problems[0]?.message ?? 'The row does not fit.')
  }

  /** A problem of the row's shape, with the format that would fit where there is one. */
  misfit(message: string, code: PlumbErrorCode = 'PLUMB_DATA_FIELD'): PlumbError {
    const fitting = fittingFormat(this.value)
    const hint = fitting === undefined || this.format === undefined || fitting === this.format ? '' : ` It fits format "${fitting}".`
    const misspelt = this.misspelt()
    // The field that is missed under a slip of the fingers says more than another format that would do without it.
    const isMeant = misspelt !== undefined && (hint === '' || message.includes(`"${misspelt.meant}"`))
    const meant = isMeant ? ` "${misspelt.key}" is no field of this format; did you mean "${misspelt.meant}"?` : hint
    return this.error(code, `${message}${meant}${this.wrapper()}`)
  }

  /** A key that is nearly a field of the format which the record lacks. */
  private misspelt(): { readonly key: string; readonly meant: string } | undefined {
    const { value, fields } = this
    if (typeof value !== 'object' || value === null) return undefined
    const keys = Object.keys(value)
    const lacking = fields.filter((field) => !keys.includes(field))
    for (const key of keys) {
      const meant = fields.includes(key) ? undefined : closest(key, lacking)
      if (meant !== undefined) return { key, meant }
    }
    return undefined
  }

  error(code: PlumbErrorCode, message: string): PlumbError {
    return new PlumbError(code, message, this.where)
  }

  /** All records in one object, as `{ "data": […] }`. */
  private wrapper(): string {
    const name = WRAPPERS.find((key) => {
      const inner = this.field(key)
      return Array.isArray(inner) && inner.length > 0 && inner.every((one) => typeof one === 'object' && one !== null)
    })
    return name === undefined ? '' : ` Its records seem to stand in "${name}": write that list alone.`
  }

  private changed(keys: readonly PropertyKey[]): string | undefined {
    const value = keys.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], this.value)
    if (typeof value !== 'string' || !this.exact.has(value)) return undefined
    return `"${keys.map(String).join('.')}" is ${value.slice(0, 60)}, a number that a double does not hold; expected one that it does.`
  }
}
