import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Config } from '../config/schema'
import { PlumbError } from '../errors'
import type { ContentHashes } from '../run/content'
import { contentNames, hashJson, hashOfFiles } from '../run/hash'
import type { Backend, ModelSource } from '../seams/policy'
import type { Model } from './context'

/** What a tokenizer's folder, or a `tokenizer.json`, is read with where the backend does not say: the files of Hugging Face. */
const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'config.json',
  'generation_config.json',
  'chat_template.jinja',
  'tokenizer.model',
  'vocab.json',
  'merges.txt',
]

/** The model the run starts with, and what identifies it by the content of the files that are read. */
export async function baseModel({ model }: Config, backend: Backend, hashes: ContentHashes): Promise<Model> {
  const source: ModelSource = typeof model === 'string' ? { kind: 'folder', path: model } : { kind: 'scratch', ...model }
  if (source.kind === 'folder') mustExist(source.path, 'PLUMB_MODEL_MISSING', 'There is no model folder here.')
  else mustExist(source.tokenizer, 'PLUMB_TOKENIZER_MISSING', 'There is no tokenizer here.')
  const identify = async (): Promise<string> => {
    const content = await contentOf(source, backend, hashes)
    return source.kind === 'folder' ? content : hashJson({ architecture: source.architecture, seed: source.seed, tokenizer: content })
  }
  const hash = await identify()
  const place = source.kind === 'folder' ? source.path : source.tokenizer
  return {
    source,
    hash,
    verify: async () => {
      if ((await identify()) === hash) return
      const message = 'The files of the model changed while the run worked with them; start it again, and it takes them as they are now.'
      throw new PlumbError('PLUMB_MODEL_CHANGED', message, place)
    },
  }
}

async function contentOf(source: ModelSource, backend: Backend, hashes: ContentHashes): Promise<string> {
  const files = backend.modelFiles ? await backend.modelFiles(source) : await filesOf(source)
  const content: Record<string, string> = {}
  for (const file of files) content[path.basename(file)] = await hashes.of(file)
  return hashOfFiles(content)
}

async function filesOf(source: ModelSource): Promise<readonly string[]> {
  if (source.kind === 'folder') return within(source.path, await contentNames(source.path))
  const { tokenizer } = source
  if (path.basename(tokenizer) === 'tokenizer.json') return within(path.dirname(tokenizer), await tokenizerNames(path.dirname(tokenizer)))
  const names = await tokenizerNames(tokenizer).catch((error: NodeJS.ErrnoException) => {
    // a lone file of another name is read alone
    if (error.code === 'ENOTDIR') return undefined
    throw error
  })
  return names === undefined ? [tokenizer] : within(tokenizer, names)
}

async function tokenizerNames(folder: string): Promise<string[]> {
  return (await contentNames(folder)).filter((name) => TOKENIZER_FILES.includes(name))
}

const within = (folder: string, names: readonly string[]): string[] => names.map((name) => path.join(folder, name))

function mustExist(target: string, code: `PLUMB_${string}`, message: string): void {
  if (!existsSync(target)) throw new PlumbError(code, message, target)
}
