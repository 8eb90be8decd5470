import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { fileStats, isReadableFile } from './regular-file'

/**
 * What a tokenizer is read from where it is given as a folder or as a `tokenizer.json`, and what is carried over beside it when a model
 * is saved: all of it decides what a run's artifacts hold.
 */
export const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  // Which tokens begin, end and pad a text where the tokenizer does not say.
  'config.json',
  'generation_config.json',
  // Only carried over.
  'tokenizer.model',
] as const

export const WEIGHTS_FILE = 'model.safetensors'
export const WEIGHTS_INDEX_FILE = 'model.safetensors.index.json'

/** What PEFT writes of an adapter. */
export const ADAPTER_CONFIG_FILE = 'adapter_config.json'
export const ADAPTER_WEIGHTS_FILE = 'adapter_model.safetensors'

/** An index larger than this is none. */
const LARGEST_INDEX = 64 * 2 ** 20

/**
 * The files of a model folder that determine what a run makes of it, by name, sorted: config, tokenizer, and the weights that are read.
 * A README, a training log or weights in another format are not among them.
 *
 * @throws PlumbError PLUMB_NOT_A_FILE for one that is no file.
 */
export async function modelFiles(folder: string): Promise<string[]> {
  const present = async (names: readonly string[]) => {
    const found: string[] = []
    for (const name of names) if (await isReadableFile(path.join(folder, name))) found.push(name)
    return found
  }
  const files = await present(TOKENIZER_FILES)
  if (await isReadableFile(path.join(folder, WEIGHTS_FILE))) return [...files, WEIGHTS_FILE].sort()
  const shards = await shardNames(path.join(folder, WEIGHTS_INDEX_FILE))
  return [...files, ...(shards ? [WEIGHTS_INDEX_FILE, ...(await present(shards))] : [])].sort()
}

/**
 * The tokenizer files that are read where a tokenizer is given as a folder or a file, by path: a file of another name than
 * `tokenizer.json` is read alone. None where there is nothing.
 *
 * @throws PlumbError PLUMB_NOT_A_FILE for one that is no file.
 */
export async function tokenizerFiles(folderOrFile: string): Promise<string[]> {
  const isFolder = (await stat(folderOrFile).catch(() => undefined))?.isDirectory() === true
  const isFile = !isFolder && (await isReadableFile(folderOrFile))
  if (isFile && path.basename(folderOrFile) !== 'tokenizer.json') return [folderOrFile]
  const folder = isFile ? path.dirname(folderOrFile) : folderOrFile
  const found: string[] = []
  for (const name of TOKENIZER_FILES) if (await isReadableFile(path.join(folder, name))) found.push(path.join(folder, name))
  return found
}

/**
 * The files of an adapter's folder that determine what it adds to its base, by path. A tokenizer beside them is not among them: the base's
 * is used.
 *
 * @throws PlumbError PLUMB_NOT_A_FILE for one that is no file.
 */
export async function adapterFiles(folder: string): Promise<string[]> {
  const found: string[] = []
  for (const name of [ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE]) {
    if (await isReadableFile(path.join(folder, name))) found.push(path.join(folder, name))
  }
  return found
}

/** Shards that an index names inside its folder; what is wrong with the index is said by who reads the model. */
async function shardNames(index: string): Promise<string[] | undefined> {
  const found = await fileStats(index)
  if (!found) return undefined
  if (found.size > LARGEST_INDEX) return []
  try {
    const { weight_map: map } = JSON.parse(await readFile(index, 'utf8')) as { readonly weight_map?: unknown }
    const names = typeof map === 'object' && map !== null ? Object.values(map) : []
    return [...new Set(names.filter(isShardName))]
  } catch {
    return []
  }
}

/** A name of a file in the index's own folder. */
export function isShardName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name)
}
