import { PlumbError } from '@plumbline/core/base'

/** A token that is found in a text as a whole, before anything else is tokenised. */
export interface AddedToken {
  readonly id: number
  readonly content: string
  readonly special?: boolean
  /** Only where it stands as a word of its own. */
  readonly single_word?: boolean
}

type Json = Readonly<Record<string, unknown>>

/** The added tokens of `tokenizer.json`, and those that only `tokenizer_config.json` holds, which transformers adds to them. */
export function addedTokens({
  tokenizer,
  tokenizerConfig,
}: {
  readonly tokenizer: Json
  readonly tokenizerConfig?: Json
}): readonly AddedToken[] {
  const own = (tokenizer.added_tokens ?? []) as readonly AddedToken[]
  const known = new Set(own.map(({ content }) => content))
  const further = Object.entries((tokenizerConfig?.added_tokens_decoder ?? {}) as Readonly<Record<string, Omit<AddedToken, 'id'>>>)
    .map(([id, token]) => ({ ...token, id: Number(id) }))
    .filter(({ id, content }) => Number.isSafeInteger(id) && typeof content === 'string' && !known.has(content))
  return further.length === 0 ? own : [...own, ...further]
}

/**
 * The tokenizers package takes such a token inside of a word as well, which is another text than Python's.
 * @throws PlumbError PLUMB_TOKENIZER_SINGLE_WORD where the two would differ.
 */
export function checkSingleWords(text: string, tokens: readonly string[], where: string): void {
  for (const token of tokens) {
    for (let at = text.indexOf(token); at >= 0; at = text.indexOf(token, at + 1)) {
      const before = text.slice(Math.max(0, at - 2), at)
      const behind = text.slice(at + token.length, at + token.length + 2)
      if (!/[\p{L}\p{M}\p{N}_]$/u.test(before) && !/^[\p{L}\p{M}\p{N}_]/u.test(behind)) continue
      const message = `The token ${JSON.stringify(token)} is for whole words only (single_word), which is not supported inside of a word, as in ${JSON.stringify(text.slice(Math.max(0, at - 20), at + token.length + 20))}.`
      throw new PlumbError('PLUMB_TOKENIZER_SINGLE_WORD', message, where)
    }
  }
}
