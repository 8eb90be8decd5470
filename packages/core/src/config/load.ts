import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { cosmiconfig } from 'cosmiconfig'
import { PlumbError } from '../errors'
import { checkConsistency } from './consistency'
import { expandedPath } from './environment'
import { check } from './issues'
import { normalize, type Normalized } from './normalize'
import { applyOverrides, parseOverride, type Override } from './overrides'
import { configSchema, type Config } from './schema'
import { shownPath } from '../util/shown-path'
import { ConfigError, fileSource, memorySource, ParsedText, type ConfigSource, type KeyPath } from './source'

export interface LoadConfigOptions {
  /** Where the search starts, and what shown paths are relative to; the working directory when absent. */
  readonly cwd?: string
  /** The config file; searched for when absent. */
  readonly path?: string
  /** `path.to.key=value`, applied in order before validation. */
  readonly overrides?: readonly string[]
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

const EXTENSIONS = ['yaml', 'yml', 'json', 'js', 'cjs', 'mjs', 'ts']

/** File names that are looked for, in this order. */
export const CONFIG_FILES: readonly string[] = [
  ...EXTENSIONS.map((extension) => `plumbline.config.${extension}`),
  '.plumbline',
  '.plumblinerc',
  ...EXTENSIONS.map((extension) => `.plumblinerc.${extension}`),
  'package.json',
]

/**
 * Finds, reads and validates the config. Without `path`, the folders from `cwd` up to the nearest one with a package.json are searched.
 *
 * @throws PlumbError PLUMB_CONFIG_NOT_FOUND, PLUMB_CONFIG_SYNTAX, PLUMB_CONFIG_OVERRIDE, PLUMB_CONFIG_UNKNOWN_KEY, PLUMB_CONFIG_INVALID.
 */
export async function loadConfig({ cwd = process.cwd(), path: given, overrides = [] }: LoadConfigOptions = {}): Promise<LoadedConfig> {
  const parsed = overrides.map(parseOverride)
  const { file, raw, text } = await readRaw(cwd, given)
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
  const entries = Object.entries(data).map(([name, source]) => [
    name,
    source && { ...source, path: absolute(source.path, ['data', name, 'path']) },
  ])
  return {
    ...config,
    plugins: config.plugins.map((specifier, index) => filled(specifier, ['plugins', index])),
    model:
      typeof model === 'string' ? absolute(model, ['model']) : { ...model, tokenizer: absolute(model.tokenizer, ['model', 'tokenizer']) },
    run: absolute(run, ['run']),
    data: Object.fromEntries(entries) as Config['data'],
  }
}

interface RawConfig {
  readonly file: string
  readonly raw: unknown
  readonly text?: ParsedText
}

async function readRaw(cwd: string, given: string | undefined): Promise<RawConfig> {
  const texts = new Map<string, ParsedText>()
  const read =
    (parse: (text: string, shown: string) => ParsedText) =>
    (file: string, content: string): unknown => {
      const text = parse(content, shownPath(file, cwd))
      texts.set(file, text)
      return text.value
    }
  const yaml = read((text, shown) => ParsedText.yaml(text, shown))
  const explorer = cosmiconfig('plumbline', {
    searchPlaces: [...CONFIG_FILES],
    searchStrategy: 'project',
    loaders: { '.yaml': yaml, '.yml': yaml, noExt: yaml, '.json': read((text, shown) => ParsedText.json(text, shown)) },
  })
  if (given !== undefined) await mustExist(path.resolve(cwd, given), shownPath(path.resolve(cwd, given), cwd))
  const result = await codeErrorsNamed(cwd, () => (given === undefined ? explorer.search(cwd) : explorer.load(path.resolve(cwd, given))))
  if (result === null && given === undefined) {
    const names = 'plumbline.config.{yaml,yml,json,js,cjs,mjs,ts}, .plumblinerc or a "plumbline" key in package.json'
    throw new PlumbError(
      'PLUMB_CONFIG_NOT_FOUND',
      `There is no configuration: looked for ${names}, here and up to the project's root.`,
      cwd,
    )
  }
  const file = result?.filepath ?? path.resolve(cwd, given ?? '')
  if (result === null || result.isEmpty) throw new PlumbError('PLUMB_CONFIG_INVALID', 'The configuration is empty.', shownPath(file, cwd))
  return { file, raw: result.config, text: texts.get(file) }
}

async function mustExist(file: string, shown: string): Promise<void> {
  const found = await stat(file).catch(() => undefined)
  if (found === undefined) throw new PlumbError('PLUMB_CONFIG_NOT_FOUND', 'There is no such configuration file.', shown)
  if (!found.isFile()) throw new PlumbError('PLUMB_CONFIG_NOT_FOUND', 'Expected a configuration file, but this is a folder.', shown)
  await readFile(file)
}

/** What a config written in code throws becomes a sentence about that file. */
async function codeErrorsNamed<T>(cwd: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    if (error instanceof PlumbError) throw error
    const { message, filepath } = error as Error & { filepath?: string }
    const where = filepath === undefined ? undefined : shownPath(filepath, cwd)
    throw new PlumbError('PLUMB_CONFIG_SYNTAX', `The configuration cannot be loaded: ${message}`, where, { cause: error })
  }
}
