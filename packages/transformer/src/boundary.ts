import { PlumbError, type TokenPair } from '@plumbline/core/base'

/** What the boundary needs of a tokenizer. */
export interface PairTokenizer {
  /** Without special tokens. */
  encode(text: string): number[]
  /** With special tokens: a completion may hold some, its end for one. */
  decode(ids: readonly number[]): string
  /** Special tokens that begin every text. */
  readonly leading: readonly number[]
  /** What the tokenizer itself does to a text before it looks at it, e.g. NFC. */
  normalise(text: string): string
}

/**
 * Tokenises a prompt and its completion once and finds the boundary; see `Tokenizer.encodePair` in core for the contract.
 *
 * The completion is looked for inside the tokens of the whole text, never encoded by itself first: SentencePiece-style
 * tokenizers put a space before whatever begins a text, and the completion does not begin one.
 */
export function encodePair(tokenizer: PairTokenizer, prompt: string, completion: string): TokenPair {
  const head = [...tokenizer.leading, ...tokenizer.encode(prompt)]
  if (head.length === 0) {
    throw new PlumbError(
      'PLUMB_TOKEN_BOUNDARY',
      'The prompt has no tokens; a completion needs at least one to continue.',
      around(prompt, completion),
    )
  }
  if (completion === '') return { prompt: head, completion: [], exact: true }
  const whole = [...tokenizer.leading, ...tokenizer.encode(prompt + completion)]
  if (startsWith(whole, head)) return { prompt: head, completion: whole.slice(head.length), exact: true }

  const where = around(prompt, completion)
  const text = tokenizer.normalise(tokenizer.decode(head) + completion)
  for (const tokens of continuations(tokenizer, completion)) {
    if (tokenizer.normalise(tokenizer.decode([...head, ...tokens])) === text)
      return { prompt: head, completion: tokens, exact: false, where }
  }
  const message = 'A token crosses the boundary between prompt and completion, and no tokens continue the prompt to the same text.'
  throw new PlumbError('PLUMB_TOKEN_BOUNDARY', message, where)
}

/**
 * The completion's tokens as if something stood before it: after an anchor whose own tokens stay what they are, so that the
 * prefix of a text's beginning falls on the anchor; or by itself.
 */
function* continuations(tokenizer: PairTokenizer, completion: string): Iterable<number[]> {
  for (const anchor of ['\n', '.', 'a']) {
    const before = tokenizer.encode(anchor)
    const both = tokenizer.encode(anchor + completion)
    if (before.length > 0 && startsWith(both, before)) yield both.slice(before.length)
  }
  yield tokenizer.encode(completion)
}

const startsWith = (tokens: readonly number[], head: readonly number[]) => head.every((id, i) => id === tokens[i])

/** e.g. `…answer is|␣72…`, with white space made visible. */
function around(prompt: string, completion: string): string {
  const visible = (text: string) => text.replaceAll(' ', '␣').replaceAll('\n', '⏎').replaceAll('\t', '⇥')
  const left = prompt.length > 24 ? `…${prompt.slice(-24)}` : prompt
  const right = completion.length > 24 ? `${completion.slice(0, 24)}…` : completion
  return `${visible(left)}|${visible(right)}`
}
