import { z } from 'zod'

/** One option of a thing, as its schema has it. */
export interface OptionReport {
  readonly name: string
  /** e.g. `number`, or the values that there are: `none | detached | boundary`. */
  readonly type: string
  readonly required: boolean
  readonly default?: unknown
  readonly description?: string
}

interface Described {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Described[]
  readonly items?: Described
  readonly properties?: Readonly<Record<string, Described>>
  readonly required?: readonly string[]
  readonly whenAbsent?: string
}

/** The options of a thing from its zod schema, in their order. */
export function optionsOf(schema: z.ZodType): OptionReport[] {
  const { properties = {}, required = [] } = described(schema)
  return Object.entries(properties).map(([name, option]) => {
    const { default: byDefault, description, whenAbsent } = option
    const absent = whenAbsent === undefined ? undefined : `When absent: ${whenAbsent}.`
    const text = [description, absent].filter(Boolean).join(' ')
    return {
      name,
      type: typeOf(option),
      required: required.includes(name),
      ...(byDefault === undefined ? {} : { default: byDefault }),
      ...(text === '' ? {} : { description: text }),
    }
  })
}

function described(schema: z.ZodType): Described {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as Described
}

function typeOf({ type, enum: values, const: only, anyOf, items }: Described): string {
  if (only !== undefined) return JSON.stringify(only)
  if (values !== undefined) return values.map(String).join(' | ')
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeOf))].join(' | ')
  if (type === 'array') return items === undefined ? 'list' : `list of ${typeOf(items)}`
  return typeof type === 'string' ? type : (type ?? ['anything']).join(' | ')
}
