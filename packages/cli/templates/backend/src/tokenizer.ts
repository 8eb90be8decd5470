import { createHash } from 'node:crypto'
import type { Tokenizer } from '@plumbline/core'

const CHARACTERS = ['\n', ...Array.from({ length: 95 }, (_, n) => String.fromCharCode(32 + n))]
const [BOS, EOS, UNKNOWN] = [0, 1, 2]

/** Step 1: a token per character of printable ASCII. A real backend reads the model's own tokenizer.json. */
export class CharacterTokenizer implements Tokenizer {
  readonly bosId = BOS
  readonly eosId = EOS
  readonly vocabularySize = CHARACTERS.length + 3
  /** Two models with the same fingerprint have the same tokens: artifacts are keyed by it. */
  readonly fingerprint = createHash('sha256').update(CHARACTERS.join('')).digest('hex')

  encode(text: string, { addSpecial = false }: { readonly addSpecial?: boolean } = {}): number[] {
    const ids = Array.from(text, (character) => CHARACTERS.indexOf(character)).map((at) => (at < 0 ? UNKNOWN : at + 3))
    return addSpecial ? [BOS, ...ids] : ids
  }

  decode(ids: readonly number[]): string {
    return ids.map((id) => CHARACTERS[id - 3] ?? '').join('')
  }
}
