import { PlumbError } from '@plumbline/core/base'

/** Vocabularies end below a million; a list is made with a place for every id up to the largest. */
const MOST_TOKENS = 2 ** 24

/**
 * Refuses ids that no vocabulary has, before a list of that length is made.
 * @throws PlumbError PLUMB_TOKENIZER_INVALID
 */
export function requireTokenIds(tokenizerJson: Readonly<Record<string, unknown>>, where: string): void {
  const { added_tokens: added, model } = tokenizerJson
  const ids = Array.isArray(added) ? (added as readonly unknown[]).map((token) => (isObject(token) ? [token.content, token.id] : [])) : []
  const vocabulary = isObject(model) && isObject(model.vocab) ? Object.entries(model.vocab) : []
  for (const [token, id] of [...ids, ...vocabulary]) {
    if (id === undefined || (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < MOST_TOKENS)) continue
    const message = `Token ${JSON.stringify(token)} has the id ${JSON.stringify(id)}; expected a whole number below ${MOST_TOKENS}.`
    throw new PlumbError('PLUMB_TOKENIZER_INVALID', message, where)
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
