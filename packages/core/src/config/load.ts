import path from 'node:path'
import { checkConsistency } from './consistency'
import { readConfig, searchConfig } from './find'
import { check } from './issues'
import { normalize, type Normalized } from './normalize'
import { applyOverrides, parseOverride, type Override } from './overrides'
import { configSchema, type Config } from './schema'
import { ConfigError, fileSource, memorySource, type ConfigSource, type KeyPath } from './source'

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
  const normalized = normalize(applyOverrides(raw, overrides))
  const places = placesOf(source, normalized)
  const checked = check(configSchema, normalized.value, { ...places, noun: 'a configuration key' })
  if (checked.problems) throw new ConfigError(checked.problems)
  const problems = checkConsistency(checked.value, normalized.value, places)
  if (problems.length > 0) throw new ConfigError(problems)
  return { config: absolutePaths(checked.value, folder), folder, source: places }
}

function placesOf(source: ConfigSource, { origin }: Normalized): ConfigPlaces {
  return {
    file: source.file,
    shown: (keys) => origin(keys).map(String).join('.'),
    where: (keys) => source.where(origin(keys)),
  }
}

function absolutePaths(config: Config, folder: string): Config {
  const absolute = (relative: string): string => path.resolve(folder, relative)
  const { model, run, data } = config
  const entries = Object.entries(data).map(([name, source]) => [name, source && { ...source, path: absolute(source.path) }])
  return {
    ...config,
    model: typeof model === 'string' ? absolute(model) : { ...model, tokenizer: absolute(model.tokenizer) },
    run: absolute(run),
    data: Object.fromEntries(entries) as Config['data'],
  }
}
