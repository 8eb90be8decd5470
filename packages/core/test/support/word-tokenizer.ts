import { createHash } from 'node:crypto'
import type { Tokenizer } from '../../src'

/** One token a word, white space between them; ids 0 and 1 are BOS and EOS, 2 stands for words it does not know. */
export class WordTokenizer implements Tokenizer {
  readonly bosId = 0
  readonly eosId = 1
  readonly vocabularySize: number
  readonly fingerprint: string
  private readonly words: readonly string[]
  private readonly ids: ReadonlyMap<string, number>

  constructor(
    words: readonly string[],
    private readonly onEncode: (text: string) => void = () => undefined,
  ) {
    this.words = ['<s>', '</s>', '<unk>', ...words]
    this.ids = new Map(this.words.map((word, id) => [word, id]))
    this.vocabularySize = this.words.length
    this.fingerprint = createHash('sha256').update(JSON.stringify(words)).digest('hex')
  }

  encode(text: string, { addSpecial = false }: { readonly addSpecial?: boolean } = {}): number[] {
    this.onEncode(text)
    const ids = text
      .split(/\s+/)
      .filter((word) => word !== '')
      .map((word) => this.ids.get(word) ?? 2)
    return addSpecial ? [this.bosId, ...ids] : ids
  }

  decode(ids: readonly number[]): string {
    return ids
      .filter((id) => id > 2)
      .map((id) => this.words[id])
      .join(' ')
  }
}
