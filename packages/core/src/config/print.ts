import { Document, isScalar, visit } from 'yaml'
import type { PluginKind } from '../plugins/kinds'
import type { PluginRegistry } from '../plugins/registry'
import { without } from '../util/without'
import { hasReference, references } from './environment'
import type { LoadedConfig } from './load'
import { configSchema, dataSourceSchema, type Config } from './schema'
import type { KeyPath } from './source'
import { DATA_KEYS, sourcesOf } from './sources'

/** A key of the whole configuration, its value, and where that comes from. */
export interface ConfigEntry {
  readonly path: KeyPath
  readonly value: unknown
  /** `default`, `plumbline.config.yaml:14`, `--set seed=2`, with the variables of the environment that it asks for. */
  readonly origin: string
}

export interface PrintedConfig {
  /** With shorthands written out and every default filled in, those of the named plugins too; paths and `${env:…}` as they were written. */
  readonly config: Readonly<Record<string, unknown>>
  readonly entries: readonly ConfigEntry[]
}

/** A whole configuration as a run would take it. It holds nothing of the environment: what asks for that is shown as it asks. */
export function printedConfig({ written, source }: LoadedConfig, registry: PluginRegistry): PrintedConfig {
  const config = withOptions(configSchema.parse(written), registry)
  const entries = leaves(config).map(({ path, value }): ConfigEntry => {
    if (!has(written, path)) return { path, value, origin: 'default' }
    const names = references(value).flatMap(({ text }) => [...text.matchAll(/\$\{env:([^}]*)\}/g)].map(([, name]) => `env ${name ?? ''}`))
    return { path, value, origin: [...names, source.where(path) ?? 'the configuration'].join(', ') }
  })
  return { config, entries }
}

/** As YAML that is a configuration itself; with `origins`, each key has a comment that says where it comes from. */
export function renderConfig({ config, entries }: PrintedConfig, { origins = false } = {}): string {
  const document = new Document(config)
  const byPath = new Map(entries.map(({ path, origin }) => [JSON.stringify(path.map(String)), origin]))
  visit(document, {
    Seq: (_, seq) => {
      if (seq.items.every(isScalar)) seq.flow = true
    },
    Map: (_, map) => {
      if (map.items.length === 0) map.flow = true
    },
  })
  if (origins) {
    for (const { path } of entries) {
      const node = document.getIn(path, true) as { comment?: string } | undefined
      const origin = byPath.get(JSON.stringify(path.map(String)))
      if (node !== undefined && typeof node === 'object') node.comment = ` ${origin ?? ''}`
    }
  }
  return document.toString({ lineWidth: 0 })
}

type Section = Readonly<Record<string, unknown>>

/** The values below a section, and lists of plain values as one. */
function leaves(value: unknown, path: KeyPath = []): { readonly path: KeyPath; readonly value: unknown }[] {
  const isPlain = typeof value !== 'object' || value === null
  const entries = isPlain ? [] : Object.entries(value)
  if (isPlain || entries.length === 0 || (Array.isArray(value) && value.every((item) => typeof item !== 'object' || item === null))) {
    return [{ path, value }]
  }
  return entries.flatMap(([key, inner]) => leaves(inner, [...path, Array.isArray(value) ? Number(key) : key]))
}

function has(root: unknown, path: KeyPath): boolean {
  let value = root
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return false
    value = (value as Record<PropertyKey, unknown>)[key]
  }
  return true
}

/** With the defaults of the plugins' own options beside those that are written. */
function withOptions(config: Config, registry: PluginRegistry): Section {
  const filled = (kind: PluginKind, name: string, section: Section, own: readonly string[]): Section => {
    if (!registry.names(kind).includes(name)) return section
    const options = without(section, ...own)
    // What asks for the environment may be of another type until it is filled in.
    const { success, data } = registry.find(kind, name).factory.options.safeParse(options)
    return success && !Object.values(options).some(hasReference) ? { ...section, ...(data as Section) } : section
  }
  const named = (kind: PluginKind, chosen: unknown): unknown => {
    if (typeof chosen === 'string') return chosen
    const section = chosen as Section
    return filled(kind, String(section.name), section, ['name'])
  }
  const data = Object.fromEntries(
    DATA_KEYS.flatMap((key) => {
      const written = config.data[key]
      if (written === undefined) return []
      const sources = sourcesOf(written, []).map(({ source }) => filled('dataset', source.format, source, SOURCE_KEYS))
      return [[key, Array.isArray(written) ? sources : sources[0]] as const]
    }),
  )
  return {
    ...config,
    backend: named('backend', config.backend),
    reporters: config.reporters.map((chosen) => named('reporter', chosen)),
    data: { ...config.data, ...data },
    sample: { ...config.sample, sampler: named('sampler', config.sample.sampler) },
    label: named('labeler', config.label),
    align: config.align.map((variant) => ({
      ...variant,
      losses: variant.losses.map((entry) => filled('loss', entry.loss, entry, ['loss', 'weight'])),
    })),
    evaluate: { ...config.evaluate, ...(config.evaluate.label === undefined ? {} : { label: named('labeler', config.evaluate.label) }) },
  }
}

const SOURCE_KEYS = Object.keys(dataSourceSchema.shape)
