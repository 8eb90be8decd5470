import { stat } from 'node:fs/promises'
import path from 'node:path'
import { isPlumbError, loadConfig, shownPath, type Config, type LoadedConfig, type PluginRegistry, type WrittenData } from '@plumbline/core'
import { lookAt } from '../init/look'
import { UserError } from '../errors/user-error'

/** The configuration, where there is one. @throws PlumbError those of `loadConfig` but PLUMB_CONFIG_NOT_FOUND of the search. */
export async function configIfAny(configFile: string | undefined, overrides: readonly string[]): Promise<LoadedConfig | undefined> {
  try {
    return await loadConfig({ path: configFile, overrides })
  } catch (error) {
    if (configFile === undefined && isPlumbError(error) && error.code === 'PLUMB_CONFIG_NOT_FOUND') return undefined
    throw error
  }
}

/**
 * What a data file is read as: as the configuration says, where it names the file; else as it looks.
 * @throws UserError PLUMB_EVAL_DATA where there is no file, PLUMB_INIT_DATA where no format reads it; PlumbError PLUMB_UNKNOWN_FORMAT, and those of the file itself.
 */
export async function writtenData(
  file: string,
  { format, limit, config, registry }: { format?: string; limit?: number; config: Config | undefined; registry: PluginRegistry },
): Promise<WrittenData> {
  const absolute = path.resolve(file)
  const found = await stat(absolute).catch(() => undefined)
  if (!found?.isFile()) {
    throw new UserError('PLUMB_EVAL_DATA', found ? 'Expected a data file, but this is none.' : 'There is no such data file.', file)
  }
  const upTo = limit === undefined ? {} : { limit }
  if (format !== undefined) {
    registry.find('dataset', format, `--format ${format}`)
    return { path: absolute, format, ...upTo }
  }
  const known = configured(config, absolute)
  if (known !== undefined) return { ...known, ...upTo }
  const { format: seen, columns } = await lookAt(absolute, registry)
  return { path: absolute, format: seen, ...(columns === undefined ? {} : { columns }), ...upTo }
}

/** The source of this file, without what says how much of it a run takes. */
function configured(config: Config | undefined, absolute: string): WrittenData | undefined {
  const { train, questions, validation, test } = config?.data ?? {}
  const all = [test, questions, validation, train].flatMap((written) => written ?? [])
  const source = all.find((each) => each.path === absolute)
  if (source === undefined) return undefined
  const kept = Object.entries(source).filter(([key]) => !['limit', 'weight', 'name'].includes(key))
  return { ...Object.fromEntries(kept), path: absolute }
}

/**
 * Data files as test sets: of several each has a name, its file's without folder and extension, with a number where another has it already.
 * @throws UserError PLUMB_EVAL_DATA where a file is named twice.
 */
export function namedSets(sources: readonly WrittenData[]): readonly WrittenData[] {
  const twice = sources.find(({ path: file }, s) => sources.findIndex((other) => other.path === file) < s)
  if (twice !== undefined) {
    throw new UserError('PLUMB_EVAL_DATA', 'The file is named twice, and its questions would count twice.', shownPath(twice.path))
  }
  if (sources.length === 1) return sources
  const names = new Set<string>()
  return sources.map((source) => {
    const stem = path.basename(source.path).replace(/\..*$/, '')
    const base =
      stem
        .replace(/[^A-Za-z0-9_-]+/g, '-')
        .replace(/^[^A-Za-z0-9]+|-+$/g, '')
        .slice(0, 48) || 'data'
    let name = base
    for (let n = 2; names.has(name); n++) name = `${base}-${n}`
    names.add(name)
    return { ...source, name }
  })
}
