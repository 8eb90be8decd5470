import { z } from 'zod'
import { extractAnswer } from '../labelers/extract'
import type { DatasetReader } from '../seams/dataset'
import { headOf, messagesOf, reasoningIn, splitAnswer, SYSTEM_FIELDS, withSystem } from './conversation'
import { answerSchema, idSchema, isBlank, isEmpty } from './fields'
import type { Row } from './row'
import { jsonLinesReader, type Draft } from './rows'

const rowSchema = z.looseObject({ id: idSchema, answer: answerSchema })

/**
 * Whole conversations: TRL's `{ messages: [{ role, content }] }` or ShareGPT's `{ conversations: [{ from, value }] }`, with a
 * `system` column before them. The last message, the assistant's, is the reference chain, and all before it is what it answers;
 * earlier turns of the assistant are read, not trained on. A conversation that ends with the user's message is a question.
 */
export const messagesReader: DatasetReader = jsonLinesReader('messages', conversationDraft, {
  fields: ['id', 'messages', 'conversations', 'answer', ...SYSTEM_FIELDS],
  read: ['messages', 'conversations', ...SYSTEM_FIELDS],
  answers: ['chosen', 'rejected', 'candidates', 'completions', 'completion', 'responses', 'response', 'output'],
  marks: true,
})

function conversationDraft(row: Row): Draft {
  const { id, answer } = row.as(rowSchema)
  const [field, other] = ['messages', 'conversations'].filter((name) => !isEmpty(row.field(name)))
  if (field === undefined) throw row.misfit('"messages" is missing; it must be a list of messages.')
  if (other !== undefined) throw row.error('PLUMB_DATA_FIELD', '"messages" and "conversations" are both given; expected one of them.')
  const messages = messagesOf(row, row.field(field), field)
  refuseOtherPrompt(row, messages)
  if (messages.at(-1)?.role === 'user') {
    return { id, ...headOf(row, withSystem(row, messages), field), ...(answer === undefined ? {} : { answer }), candidates: [] }
  }
  const { before, answer: chain } = splitAnswer(row, messages, field)
  if (isBlank(chain)) throw row.error('PLUMB_DATA_FIELD', `The last message of "${field}" is the reference chain and must not be empty.`)
  const final = answer ?? extractAnswer(chain)
  return {
    id,
    ...headOf(row, withSystem(row, before), field),
    ...(final === undefined ? {} : { answer: final }),
    candidates: [{ text: chain, ...reasoningIn(row, field), positive: true, reference: true }],
  }
}

/** Files of conversations often repeat a message as `prompt` or `question`; any other text there would be lost. */
function refuseOtherPrompt(row: Row, messages: readonly { readonly content: string }[]): void {
  const texts = new Set(messages.map(({ content }) => content.trim()))
  for (const name of ['prompt', 'question', 'instruction', 'problem', 'solution']) {
    const value = row.field(name)
    if (typeof value !== 'string' || isBlank(value) || texts.has(value.trim())) continue
    throw row.misfit(`"${name}" is not read by format "messages", and none of the messages is its text.`)
  }
}
