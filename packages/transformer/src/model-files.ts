import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ModelSource } from '@plumbline/core/base'
import { COMPANION_FILES } from './model-folder'

/**
 * The files that opening a model reads, absolute: `Backend.modelFiles` for every backend whose models are loaded here. What is wrong with
 * them is said by who opens the model.
 */
export async function modelFiles(source: ModelSource): Promise<readonly string[]> {
  if (source.kind === 'folder') return present(source.path, ['config.json', ...COMPANION_FILES, ...(await weightFiles(source.path))])
  const { tokenizer } = source
  if (await isFile(tokenizer)) {
    // A lone file of another name is read alone.
    return basename(tokenizer) === 'tokenizer.json' ? present(dirname(tokenizer), ['config.json', ...COMPANION_FILES]) : [tokenizer]
  }
  return present(tokenizer, ['config.json', ...COMPANION_FILES])
}

/** Weights by name: the one file, or the index and its shards. */
async function weightFiles(folder: string): Promise<string[]> {
  const [single, index] = ['model.safetensors', 'model.safetensors.index.json'] as const
  if (await isFile(join(folder, single))) return [single]
  try {
    const { weight_map: map } = JSON.parse(await readFile(join(folder, index), 'utf8')) as {
      readonly weight_map?: Readonly<Record<string, unknown>>
    }
    return [
      index,
      ...new Set(Object.values(map ?? {}).filter((shard): shard is string => typeof shard === 'string' && shard === basename(shard))),
    ]
  } catch {
    return [index]
  }
}

async function present(folder: string, names: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const name of names) if (await isFile(join(folder, name))) found.push(join(folder, name))
  return found
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}
