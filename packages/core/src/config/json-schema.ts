import { z } from 'zod'
import { REFERENCE_LIKELIHOOD } from '../objective/reference-likelihood'
import type { PluginKind } from '../plugins/kinds'
import type { PluginRegistry } from '../plugins/registry'
import {
  alignVariantSchema,
  configSchema,
  dataSourceSchema,
  evaluateSchema,
  labelSchema,
  lossEntrySchema,
  sampleSectionSchema,
} from './schema'
import { DATA_KEYS } from './sources'

/** A JSON Schema, as far as it is taken apart here. */
interface Schema {
  readonly [key: string]: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly description?: string
}

type Properties = Readonly<Record<string, Schema>>

/**
 * The configuration as a JSON Schema (draft 7), for editors: every key with what it means, the short forms that may be written, and the
 * options of every plugin that the registry knows. Names that it does not know are let through with any option, since the plugin that
 * brings them may be listed in `plugins`; a run checks everything.
 */
export function configJsonSchema(registry: PluginRegistry): Readonly<Record<string, unknown>> {
  const root = converted(configSchema)
  const source = { $ref: '#/definitions/source' }
  const sourceOrPath = { anyOf: [{ type: 'string' }, source] }
  const data = root.properties?.data ?? {}
  const sources = (key: string): Schema => ({
    description: data.properties?.[key]?.description,
    anyOf: [
      { type: 'string' },
      source,
      { type: 'array', items: sourceOrPath, minItems: 1 },
      { type: 'object', additionalProperties: sourceOrPath, propertyNames: { not: { enum: Object.keys(dataSourceSchema.shape) } } },
    ],
  })
  const variant = { $ref: '#/definitions/variant' }
  const required = ['model', 'data', 'align']
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Plumbline configuration',
    type: 'object',
    additionalProperties: false,
    // What is imported need not stand here.
    if: { required: ['$import'] },
    else: { required, properties: { data: { required: ['train', 'test'] } } },
    properties: {
      ...root.properties,
      $import: {
        description: 'Files that this one is laid over.',
        anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
      },
      backend: plugged(registry, 'backend', root.properties?.backend?.description, { also: ['auto'] }),
      reporters: { ...root.properties?.reporters, items: plugged(registry, 'reporter', undefined) },
      data: {
        ...data,
        required: [],
        properties: { ...data.properties, ...Object.fromEntries(DATA_KEYS.map((key) => [key, sources(key)])) },
      },
      sample: withPlugged(root.properties?.sample, 'sampler', plugged(registry, 'sampler', sampleSectionSchema.shape.sampler.description)),
      label: plugged(registry, 'labeler', root.properties?.label?.description, {
        byDefault: converted(labelSchema).properties?.name?.default,
      }),
      align: { description: root.properties?.align?.description, anyOf: [variant, { type: 'array', items: variant, minItems: 1 }] },
      evaluate: withPlugged(root.properties?.evaluate, 'label', plugged(registry, 'labeler', evaluateSchema.shape.label.description)),
    },
    definitions: {
      source: sourceSchema(registry),
      loss: lossSchema(registry),
      variant: variantSchema(registry),
    },
  }
}

function withPlugged(section: Schema | undefined, key: string, schema: Schema): Schema {
  return { ...section, properties: { ...section?.properties, [key]: schema } }
}

/** A plugin by its name, or by `name` with its options beside it. */
function plugged(
  registry: PluginRegistry,
  kind: PluginKind,
  description: string | undefined,
  { also = [], byDefault }: { readonly also?: readonly string[]; readonly byDefault?: unknown } = {},
): Schema {
  const known = [...also, ...registry.names(kind)]
  return {
    description,
    anyOf: [
      { type: 'string', examples: known },
      ...registry.names(kind).map((name) => branch({ key: 'name', name, isDefault: name === byDefault }, optionsOf(registry, kind, name))),
      // `auto` takes the options of whichever it takes.
      unknownBranch('name', registry.names(kind)),
    ],
  }
}

function sourceSchema(registry: PluginRegistry): Schema {
  const { format, ...others } = converted(dataSourceSchema).properties ?? {}
  const names = registry.names('dataset')
  return {
    anyOf: [
      ...names.map((name) => {
        const isDefault = name === format?.default
        const { properties, required = [] } = optionsOf(registry, 'dataset', name)
        return branch(
          { key: 'format', name, isDefault, description: format?.description },
          { properties: { ...properties, ...others }, required: ['path', ...required] },
        )
      }),
      unknownBranch('format', names, others),
    ],
  }
}

/** One entry of `losses`. */
function lossSchema(registry: PluginRegistry): Schema {
  const { weight, loss } = converted(lossEntrySchema).properties ?? {}
  const names = [REFERENCE_LIKELIHOOD, ...registry.names('loss')]
  return {
    anyOf: [
      { type: 'string', examples: names },
      ...names.map((name) => {
        const { properties, required } = lossOptions(registry, name)
        return branch(
          { key: 'loss', name, description: loss?.description },
          { properties: { ...properties, ...(weight ? { weight } : {}) }, required },
        )
      }),
      unknownBranch('loss', names, weight ? { weight } : {}),
    ],
  }
}

/** `losses` with training keys, or one loss whose options stand beside them. */
function variantSchema(registry: PluginRegistry): Schema {
  const { losses, ...training } = converted(alignVariantSchema).properties ?? {}
  const names = [REFERENCE_LIKELIHOOD, ...registry.names('loss')]
  const description = converted(lossEntrySchema).properties?.loss?.description
  return {
    anyOf: [
      {
        type: 'object',
        properties: { ...training, losses: { ...losses, items: { $ref: '#/definitions/loss' } } },
        required: ['losses'],
        additionalProperties: false,
      },
      ...names.map((name) => {
        const { properties, required } = lossOptions(registry, name)
        return branch({ key: 'loss', name, description }, { properties: { ...properties, ...training }, required })
      }),
      unknownBranch('loss', names, training),
    ],
  }
}

const lossOptions = (registry: PluginRegistry, name: string): Options =>
  name === REFERENCE_LIKELIHOOD ? {} : optionsOf(registry, 'loss', name)

interface Options {
  readonly properties?: Properties
  readonly required?: readonly string[]
}

/** The object that names one thing, with its options. */
function branch(
  {
    key,
    name,
    isDefault = false,
    description,
  }: { readonly key: string; readonly name: string; readonly isDefault?: boolean; readonly description?: string },
  { properties = {}, required = [] }: Options,
): Schema {
  return {
    type: 'object',
    properties: { [key]: { const: name, ...(description === undefined ? {} : { description }) }, ...properties },
    required: [...(isDefault ? [] : [key]), ...required],
    additionalProperties: false,
  }
}

/** The object that names something of a plugin that is not known here. */
function unknownBranch(key: string, known: readonly string[], properties: Properties = {}): Schema {
  const other = known.length === 0 ? {} : { not: { enum: known } }
  return { type: 'object', properties: { [key]: { type: 'string', ...other }, ...properties }, required: [key] }
}

function optionsOf(registry: PluginRegistry, kind: PluginKind, name: string): Options {
  const { properties, required } = converted(registry.find(kind, name).factory.options)
  return { ...(properties ? { properties } : {}), ...(required ? { required } : {}) }
}

function converted(schema: z.ZodType): Schema {
  const made = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline', target: 'draft-7' })
  return readable(made) as Schema
}

/** What zod calls formats and no JSON Schema knows; they have patterns beside them. */
const ZOD_FORMATS = ['includes', 'starts_with', 'ends_with', 'regex', 'safeint']

/** Without bounds that only say that a number is exact, and with what holds where a key is absent as a part of its description. */
function readable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(readable)
  if (typeof value !== 'object' || value === null) return value
  const { whenAbsent, description, ...rest } = value as Readonly<Record<string, unknown>>
  const entries = Object.entries(rest).filter(
    ([key, inner]) =>
      inner !== Number.MAX_SAFE_INTEGER && inner !== Number.MIN_SAFE_INTEGER && !(key === 'format' && ZOD_FORMATS.includes(String(inner))),
  )
  const absence = typeof whenAbsent === 'string' ? `When absent: ${whenAbsent}.` : undefined
  // A property may be called so, too.
  const explained =
    typeof description === 'string' || description === undefined ? [description, absence].filter(Boolean).join(' ') : readable(description)
  const shown = entries.filter(([key]) => key !== '$schema').map(([key, inner]) => [key, readable(inner)] as const)
  return { ...(explained === '' ? {} : { description: explained }), ...Object.fromEntries(shown) }
}
