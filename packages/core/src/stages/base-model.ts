import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Config } from '../config/schema'
import { PlumbError } from '../errors'
import type { ContentHashes } from '../run/content'
import { contentNames, hashJson, hashOfFiles } from '../run/hash'
import type { Backend, ModelSource } from '../seams/policy'
import { tokenizerFiles } from '../util/model-files'
import type { Model } from './context'

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

/** Where the backend does not say what it reads: everything in a model folder, the tokenizer's files of a model from scratch. */
async function filesOf(source: ModelSource): Promise<readonly string[]> {
  if (source.kind === 'scratch') return tokenizerFiles(source.tokenizer)
  return (await contentNames(source.path)).map((name) => path.join(source.path, name))
}

function mustExist(target: string, code: `PLUMB_${string}`, message: string): void {
  if (!existsSync(target)) throw new PlumbError(code, message, target)
}
