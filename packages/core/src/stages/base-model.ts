import path from 'node:path'
import type { Config } from '../config/schema'
import { PlumbError } from '../errors'
import type { ContentHashes } from '../run/content'
import { contentNames, hashJson, hashOfFiles } from '../run/hash'
import type { Backend, BaseSource } from '../seams/policy'
import { adapterFiles, tokenizerFiles } from '../util/model-files'
import type { BaseModel, Model } from './context'
import { baseOf, modelSource } from './model-source'

/** The model the run starts with, and what identifies it by the content of the files that are read. */
export async function baseModel({ model }: Pick<Config, 'model'>, backend: Backend, hashes: ContentHashes): Promise<Model> {
  const source = await modelSource(model)
  const own = baseOf(source)
  const base = {
    source: own,
    ...(await identified(() => identityOf(own, backend, hashes), own.kind === 'folder' ? own.path : own.tokenizer)),
  }
  if (source.kind !== 'adapter') return base
  const adapter = await identified(async () => hashOf(await adapterFiles(source.path), hashes), source.path)
  return adapted(base, source.path, adapter)
}

/** A base with an adapter, known by what both are known by: an adapter that a stage made and the same one given are the same model. */
export function adapted(base: BaseModel, path: string, adapter: Pick<Model, 'hash' | 'verify'>): Model {
  return {
    source: { kind: 'adapter', base: base.source, path },
    hash: hashJson({ base: base.hash, adapter: adapter.hash }),
    base,
    verify: async () => {
      await base.verify?.()
      await adapter.verify?.()
    },
  }
}

/** @param place of the model, for errors. */
async function identified(identify: () => Promise<string>, place: string): Promise<Required<Pick<Model, 'hash' | 'verify'>>> {
  const hash = await identify()
  return {
    hash,
    verify: async () => {
      if ((await identify()) === hash) return
      const message = 'The files of the model changed while the run worked with them; start it again, and it takes them as they are now.'
      throw new PlumbError('PLUMB_MODEL_CHANGED', message, place)
    },
  }
}

async function identityOf(source: BaseSource, backend: Backend, hashes: ContentHashes): Promise<string> {
  const content = await hashOf(backend.modelFiles ? await backend.modelFiles(source) : await filesOf(source), hashes)
  return source.kind === 'folder' ? content : hashJson({ architecture: source.architecture, seed: source.seed, tokenizer: content })
}

async function hashOf(files: readonly string[], hashes: ContentHashes): Promise<string> {
  const content: Record<string, string> = {}
  for (const file of files) content[path.basename(file)] = await hashes.of(file)
  return hashOfFiles(content)
}

/** Where the backend does not say what it reads: everything in a model folder, the tokenizer's files of a model from scratch. */
async function filesOf(source: BaseSource): Promise<readonly string[]> {
  if (source.kind === 'scratch') return tokenizerFiles(source.tokenizer)
  return (await contentNames(source.path)).map((name) => path.join(source.path, name))
}
