import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isNestedTooDeep, PlumbError, type Tokenizer } from '@plumbline/core/base'
import { LoadedTokenizer, vocabularyOf, type Vocabulary } from './tokenizer'

type Json = Readonly<Record<string, unknown>>

/**
 * Loads a model folder's tokenizer, or a `tokenizer.json` (with the files beside it, if that is its name).
 *
 * @throws PlumbError PLUMB_TOKENIZER_NOT_FOUND, PLUMB_TOKENIZER_INVALID.
 */
export async function loadTokenizer(folderOrFile: string): Promise<Tokenizer> {
  const found = await stat(folderOrFile).catch(() => undefined)
  const path = found?.isDirectory() ? join(folderOrFile, 'tokenizer.json') : folderOrFile
  if (!existsSync(path)) {
    const message = found
      ? 'The folder has no tokenizer.json.'
      : 'There is no such file; expected a tokenizer.json or a folder that holds one.'
    throw new PlumbError('PLUMB_TOKENIZER_NOT_FOUND', message, folderOrFile)
  }
  const alone = basename(path) !== 'tokenizer.json'
  const beside = async (name: string) => {
    const file = join(dirname(path), name)
    return alone || !existsSync(file) ? undefined : readFile(file)
  }
  const json = (name: string, bytes: Uint8Array | undefined) => parse(bytes, join(dirname(path), name))
  const [own, config] = [await readFile(path), await beside('tokenizer_config.json')]
  const chatTemplate = await beside('chat_template.jinja')
  const files = {
    tokenizerConfig: json('tokenizer_config.json', config),
    specialTokensMap: json('special_tokens_map.json', await beside('special_tokens_map.json')),
    modelConfig: json('config.json', await beside('config.json')),
    generationConfig: json('generation_config.json', await beside('generation_config.json')),
    chatTemplate: chatTemplate && text(chatTemplate),
  }
  const key = contentKey(own, config)
  if (last?.key !== key) {
    last = undefined // the memory of the one before is free while this one is made
    last = { key, vocabulary: vocabularyOf({ tokenizer: parse(own, path)!, tokenizerConfig: files.tokenizerConfig }, path) }
  }
  return new LoadedTokenizer(last.vocabulary, files, path)
}

/**
 * The one that was loaded last, by what its files say: the models that a run opens one after another have the same, and a large one takes seconds
 * and hundreds of megabytes to make.
 */
let last: { readonly key: string; readonly vocabulary: Vocabulary } | undefined

function contentKey(...contents: readonly (Uint8Array | undefined)[]): string {
  const hash = createHash('sha256')
  for (const bytes of contents) {
    hash.update(`${bytes?.length ?? 'none'}\n`)
    if (bytes) hash.update(bytes)
  }
  return hash.digest('hex')
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')

function parse(bytes: Uint8Array | undefined, path: string): Json | undefined {
  if (bytes === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(text(bytes))
  } catch (cause) {
    throw new PlumbError('PLUMB_TOKENIZER_INVALID', `This is not valid JSON: ${(cause as Error).message}`, path, { cause })
  }
  if (isNestedTooDeep(value)) throw new PlumbError('PLUMB_TOKENIZER_INVALID', 'Its lists and objects are nested too deeply.', path)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw new PlumbError('PLUMB_TOKENIZER_INVALID', 'This is not a JSON object.', path)
}
