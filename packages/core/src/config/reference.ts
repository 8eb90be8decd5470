import { z } from 'zod'
import { createRegistry } from '../plugins/registry'
import type { PluginKind } from '../plugins/kinds'
import { KIND_TITLES } from '../plugins/kinds'
import {
  alignVariantSchema,
  configSchema,
  dataSourceSchema,
  loraSchema,
  lossEntrySchema,
  sampleSectionSchema,
  trainingSchema,
} from './schema'
import { dataSectionSchema, evaluateSchema, labelSchema, lengthsSchema, modelSchema, promptSchema } from './schema'

/** The parts of a JSON Schema that the tables show. */
interface Described {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Described[]
  readonly items?: Described
  readonly prefixItems?: readonly Described[]
  readonly properties?: Readonly<Record<string, Described>>
  readonly required?: readonly string[]
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly exclusiveMaximum?: number
  readonly whenAbsent?: string
}

/** Every key of the configuration as Markdown tables, from the schema: the reference of `docs/configuration.md`. */
export function configReference(): string {
  const variant = Object.keys(trainingSchema.shape)
  const sections: [title: string, intro: string, schema: z.ZodType, without?: readonly string[]][] = [
    ['Top level', '', configSchema],
    [
      '`model`',
      'A string is the path of a Hugging Face model folder. Random weights are described by:',
      (modelSchema.options as readonly z.ZodType[])[1]!,
    ],
    ['`model` with an adapter', 'A PEFT adapter whose base is named:', (modelSchema.options as readonly z.ZodType[])[2]!],
    ['`prompt`', '', promptSchema],
    ['`lengths`', '', lengthsSchema],
    ['`data`', '', dataSectionSchema],
    ['A data source', 'Each source of `data.train`, `data.questions`, `data.validation` and `data.test` has:', dataSourceSchema],
    ['Training: `sft` and each variant of `align`', '', trainingSchema],
    ['`lora`', "Of a training section. Names and defaults are those of PEFT's LoraConfig, but for `targetModules`.", loraSchema],
    ['`align`', 'Beside the keys of training, a variant has:', alignVariantSchema, variant],
    ['An entry of `losses`', "Beside these, the loss's own options; see the README of its package.", lossEntrySchema],
    ['`sample`', '', sampleSectionSchema],
    ['`label`', "Beside it, the labeler's own options.", labelSchema],
    ['`evaluate`', '', evaluateSchema],
  ]
  return [...sections.map(([title, intro, schema, without]) => section(title, intro, schema, without)), ...ownOptions()].join('\n\n')
}

/** Options of what core itself registers. */
function ownOptions(): string[] {
  const registry = createRegistry()
  const kinds: PluginKind[] = ['labeler', 'sampler', 'dataset']
  return kinds.flatMap((kind) =>
    registry.names(kind).flatMap((name) => {
      const { options } = registry.find(kind, name).factory
      const title = kind === 'dataset' ? 'Format' : KIND_TITLES[kind].replace(/^./, (first) => first.toUpperCase())
      return Object.keys(described(options).properties ?? {}).length === 0 ? [] : [section(`${title} \`${name}\``, '', options)]
    }),
  )
}

function section(title: string, intro: string, schema: z.ZodType, without: readonly string[] = []): string {
  const { properties = {}, required = [] } = described(schema)
  const rows = Object.entries(properties)
    .filter(([key]) => !without.includes(key))
    .map(
      ([key, property]) =>
        `| \`${key}\` | ${cell(typeOf(property))} | ${cell(absent(property, required.includes(key)))} | ${cell(property.description ?? '')} |`,
    )
  return [
    `### ${title}`,
    ...(intro === '' ? [] : [intro]),
    ['| key | value | default | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n'),
  ].join('\n\n')
}

function described(schema: z.ZodType): Described {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as Described
}

function cell(text: string): string {
  return text.replace(/\|/g, '\\|').replace(/\n/g, ' ')
}

function absent({ whenAbsent, default: value }: Described, isRequired: boolean): string {
  if (whenAbsent !== undefined) return whenAbsent
  if (value !== undefined) return isSection(value) ? 'its defaults' : `\`${JSON.stringify(value)}\``
  return isRequired ? 'required' : 'none'
}

function isSection(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function typeOf(property: Described): string {
  if (property.enum !== undefined) return property.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (property.anyOf !== undefined) return property.anyOf.map(typeOf).join(' or ')
  if (property.type === 'array') {
    if (property.prefixItems !== undefined) return `list of ${property.prefixItems.length}`
    const item = property.items === undefined ? '' : typeOf(property.items)
    return item === 'section' || item === 'text' ? `list of ${item}s` : 'list'
  }
  if (property.type === 'integer' || property.type === 'number') return numberType(property)
  const names: Readonly<Record<string, string>> = { string: 'text', boolean: '`true`, `false`', object: 'section', null: '`null`' }
  return names[property.type ?? ''] ?? 'any'
}

function numberType({ type, minimum, exclusiveMinimum, maximum, exclusiveMaximum }: Described): string {
  const safe = (bound: number | undefined): number | undefined =>
    bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER ? bound : undefined
  const bounds = [
    [safe(minimum), '≥'],
    [safe(exclusiveMinimum), '>'],
    [safe(maximum), '≤'],
    [safe(exclusiveMaximum), '<'],
  ].flatMap(([bound, sign]) => (bound === undefined ? [] : [`${sign} ${bound}`]))
  return [type === 'integer' ? 'whole number' : 'number', ...bounds].join(' ')
}
