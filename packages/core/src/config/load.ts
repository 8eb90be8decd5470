import path from 'node:path'
import { PlumbError } from '../errors'
import { isNestedTooDeep } from '../util/nesting'
import { checkConsistency } from './consistency'
import { expandedPath } from './environment'
import { readConfig, searchConfig } from './find'
import { check } from './issues'
import { normalize, type Normalized } from './normalize'
import { applyOverrides, parseOverride, type Override } from './overrides'
import { configSchema, type Config, type DataSource } from './schema'
import { DATA_KEYS, isList } from './sources'
import { ConfigError, fileSource, memorySource, type ConfigSource, type KeyPath } from './source'
import { TOO_DEEP } from './yaml'

export interface LoadConfigOptions {
  /** Where the search starts, and what shown paths are relative to; the working directory when absent. */
  readonly cwd?: string
  /** The config file; searched for when absent. */
  readonly path?: string
  /** `path.to.key=value`, applied in order before validation. */
  readonly overrides?: readonly string[]
  /** Told of a configuration written in code that the search found above `cwd`, before it is run. */
  readonly say?: (message: string) => void
}

/** A valid config, where it came from, and how to point at its keys. */
export interface LoadedConfig {
  readonly config: Config
  /** The config as it was written, shorthands written out, without defaults. */
  readonly written: unknown
  /** Absolute; relative paths of the config start here. */
  readonly folder: string
  /** Takes paths as they are in `config` and answers as they are in the file. */
  readonly source: ConfigPlaces
}

export interface ConfigPlaces {
  /** Absolute, or undefined for a config made in memory. */
  readonly file?: string
  /** `align.0.constraint` as the file has it. */
  shown(path: KeyPath): string
  /** `plumbline.config.yaml:14`, or the override that set it. */
  where(path: KeyPath): string | undefined
}

export { CONFIG_FILES } from './find'

/**
 * Finds, reads and validates the config. Without `path`, the folders from `cwd` up to the nearest one with a package.json are searched.
 *
 * @throws PlumbError PLUMB_CONFIG_NOT_FOUND, PLUMB_CONFIG_SYNTAX, PLUMB_CONFIG_OVERRIDE, PLUMB_CONFIG_UNKNOWN_KEY, PLUMB_CONFIG_INVALID.
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<LoadedConfig> {
  const { cwd = process.cwd(), path: given, overrides = [], say } = options
  const parsed = overrides.map(parseOverride)
  const { file, raw, text } = given === undefined ? await searchConfig({ cwd, say }) : await readConfig(given, { cwd })
  const prefix = path.basename(file) === 'package.json' ? ['plumbline'] : []
  return build(raw, path.dirname(file), parsed, fileSource(file, cwd, text, parsed, prefix))
}

/** Validates a config made in memory; relative paths start from `folder`. */
export function parseConfig(
  raw: unknown,
  { folder = process.cwd(), overrides = [] }: { folder?: string; overrides?: readonly string[] } = {},
): LoadedConfig {
  const parsed = overrides.map(parseOverride)
  return build(raw, folder, parsed, memorySource(parsed))
}

function build(raw: unknown, folder: string, overrides: readonly Override[], source: ConfigSource): LoadedConfig {
  const overridden = applyOverrides(raw, overrides)
  // Code can make what no text can: lists without end.
  if (isNestedTooDeep(overridden)) throw new PlumbError('PLUMB_CONFIG_SYNTAX', `${TOO_DEEP}.`, source.where([]))
  const normalized = normalize(overridden)
  const places = placesOf(source, normalized)
  const checked = check(configSchema, normalized.value, { ...places, noun: 'a configuration key' })
  const problems = [...(checked.problems ?? []), ...checkConsistency(checked.value ?? soundSections(normalized.value), places)]
  if (checked.value && problems.length === 0) {
    return { config: absolutePaths(checked.value, folder, places), written: normalized.value, folder, source: places }
  }
  throw new ConfigError(problems, { written: normalized.value, folder, source: places })
}

/** The sections of a config that are right by themselves, so that what is wrong between them is said together with the rest. */
function soundSections(value: unknown): Partial<Config> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(
    Object.entries(configSchema.shape).flatMap(([key, schema]) => {
      const { success, data } = schema.safeParse((value as Readonly<Record<string, unknown>>)[key])
      return success ? [[key, data]] : []
    }),
  )
}

function placesOf(source: ConfigSource, { origin }: Normalized): ConfigPlaces {
  return {
    file: source.file,
    shown: (keys) => origin(keys).map(String).join('.'),
    where: (keys) => source.where(origin(keys)),
  }
}

/** Paths with the environment filled in, from the config's folder. @throws PlumbError PLUMB_CONFIG_ENV */
function absolutePaths(config: Config, folder: string, { shown, where }: ConfigPlaces): Config {
  const filled = (text: string, keys: KeyPath): string => expandedPath(text, shown(keys), where(keys))
  const absolute = (relative: string, keys: KeyPath): string => path.resolve(folder, filled(relative, keys))
  const { model, run, data } = config
  const located = (source: DataSource, at: KeyPath): DataSource => ({ ...source, path: absolute(source.path, [...at, 'path']) })
  const files = DATA_KEYS.flatMap((key) => {
    const [written, at] = [data[key], ['data', key]]
    if (written === undefined) return []
    return [[key, isList(written) ? written.map((source, index) => located(source, [...at, index])) : located(written, at)] as const]
  })
  return {
    ...config,
    plugins: config.plugins.map((specifier, index) => filled(specifier, ['plugins', index])),
    model: absoluteModel(model, absolute),
    run: absolute(run, ['run']),
    data: { ...data, ...Object.fromEntries(files) },
  }
}

function absoluteModel(model: Config['model'], absolute: (relative: string, keys: KeyPath) => string): Config['model'] {
  if (typeof model === 'string') return absolute(model, ['model'])
  if ('base' in model) return { base: absolute(model.base, ['model', 'base']), adapter: absolute(model.adapter, ['model', 'adapter']) }
  return { ...model, tokenizer: absolute(model.tokenizer, ['model', 'tokenizer']) }
}
