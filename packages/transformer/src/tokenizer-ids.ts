import { PlumbError, shownValue } from '@plumbline/core/base'

/** Vocabularies end below a million; a list is made with a place for every id up to the largest. */
const MOST_TOKENS = 2 ** 24

interface IdFiles {
  readonly tokenizer: Readonly<Record<string, unknown>>
  readonly tokenizerConfig?: Readonly<Record<string, unknown>>
}

/**
 * Refuses ids that no vocabulary has, before a list of that length is made, and tokens that are no texts.
 * @throws PlumbError PLUMB_TOKENIZER_INVALID
 */
export function requireTokenIds({ tokenizer, tokenizerConfig }: IdFiles, where: string): void {
  const refuse = (message: string) => new PlumbError('PLUMB_TOKENIZER_INVALID', message, where)
  const { added_tokens: added = [], model } = tokenizer
  if (added !== null && !Array.isArray(added)) throw refuse(`added_tokens is ${shownValue(added)}; expected a list.`)
  for (const token of (added ?? []) as readonly unknown[]) {
    if (!isObject(token) || typeof token.content !== 'string')
      throw refuse(`One of added_tokens is ${shownValue(token)}; expected an object with a text as its content.`)
    requireId(token.content, token.id)
  }
  const further = tokenizerConfig?.added_tokens_decoder
  if (isObject(further))
    for (const [id, token] of Object.entries(further))
      requireId(isObject(token) ? token.content : token, /^\d+$/.test(id) ? Number(id) : id)
  const vocabulary = isObject(model) && isObject(model.vocab) ? Object.entries(model.vocab) : []
  for (const [token, id] of vocabulary) requireId(token, id)

  function requireId(token: unknown, id: unknown): void {
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < MOST_TOKENS) return
    throw refuse(`Token ${shownValue(token)} has the id ${shownValue(id)}; expected a whole number below ${MOST_TOKENS}.`)
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
