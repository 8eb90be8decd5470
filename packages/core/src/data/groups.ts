import { z } from 'zod'
import { keysOf } from '../config/issues'
import { closest } from '../util/suggest'
import { ANSWERS_OF_OTHERS } from './columns'
import { headOf, messagesOf, type Head } from './conversation'
import { answerSchema, idSchema, isBlank, textSchema } from './fields'
import type { CandidateRecord, GroupRecord } from '../seams/records'
import type { Row } from './row'
import { jsonLinesReader } from './rows'

export const candidateSchema = z.looseObject({
  text: z.string(),
  reasoning: z.string().nullish(),
  positive: z.boolean().optional(),
  reward: z.number().refine(Number.isFinite, 'must be a finite number').optional(),
  reference: z.boolean().optional(),
})

export const groupSchema = z.looseObject({
  id: idSchema,
  prompt: z.union([textSchema, z.array(z.unknown())]).nullish(),
  messages: z.array(z.unknown()).nullish(),
  literal: z.boolean().nullish(),
  answer: answerSchema,
  candidates: z.array(candidateSchema).default([]),
})

/** Fields that hold texts to train on in other formats; a record without candidates that has one is meant for those. */
const CHAINS = ['completion', 'response', 'output', 'solution', 'rationale', 'chain']

/**
 * Plumbline's own k-ary format: `{ id, prompt or messages, literal?, answer?, candidates: [{ text, positive?, reward?, reference? }] }`.
 * Other fields are let through, but for those that would change what is trained.
 */
export const groupsReader = jsonLinesReader(
  'groups',
  (row) => {
    refuseMisspelt(row, row.value, groupSchema, '')
    const { id, answer, candidates, literal } = row.as(groupSchema)
    if (candidates.length === 0) refuseOtherAnswers(row)
    return {
      id,
      ...promptOf(row),
      ...(literal ? { literal } : {}),
      ...(answer === undefined ? {} : { answer }),
      candidates: candidates.map((candidate, index) => {
        refuseMisspelt(row, candidate, candidateSchema, `candidates.${index}.`)
        if (candidate.reference && isBlank(candidate.text)) {
          throw row.error('PLUMB_DATA_FIELD', `"candidates.${index}.text" is a reference chain and must not be empty.`)
        }
        return pick(candidate)
      }),
    }
  },
  { fields: Object.keys(groupSchema.shape), read: ['messages', 'candidates'] },
)

function promptOf(row: Row): Pick<GroupRecord, 'prompt'> | Head {
  const { prompt, messages, literal } = row.as(groupSchema)
  const field = Array.isArray(prompt) ? 'prompt' : 'messages'
  const list = Array.isArray(prompt) ? prompt : messages
  if (list === undefined || list === null) {
    if (typeof prompt === 'string') return { prompt }
    throw row.misfit('"prompt" is missing; it must be a string.')
  }
  if (Array.isArray(prompt) && messages !== undefined && messages !== null) {
    throw row.error('PLUMB_DATA_FIELD', '"prompt" and "messages" are both lists of messages; expected one of them.')
  }
  const head = headOf(row, messagesOf(row, list, field), field)
  if (literal) throw row.error('PLUMB_DATA_FIELD', '"literal" is for a "prompt" in text, and this record has messages.')
  if (typeof prompt === 'string' && prompt !== head.prompt) {
    throw row.error(
      'PLUMB_DATA_FIELD',
      '"prompt" must be the text of the last user message of "messages" where both are given, but differs.',
    )
  }
  return head
}

function refuseOtherAnswers(row: Row): void {
  const found = [...ANSWERS_OF_OTHERS.filter((name) => name !== 'messages'), ...CHAINS].find((name) => {
    const value = row.field(name)
    return name !== 'candidates' && value !== undefined && value !== null && value !== ''
  })
  if (found === undefined) return
  throw row.misfit(`"${found}" is not read by format "groups", and its texts would be lost.`)
}

function pick({ text, reasoning, positive, reward, reference }: z.output<typeof candidateSchema>): CandidateRecord {
  return {
    text,
    ...(reasoning ? { reasoning } : {}),
    ...(positive === undefined ? {} : { positive }),
    ...(reward === undefined ? {} : { reward }),
    ...(reference === undefined ? {} : { reference }),
  }
}

/** A field that is nearly one of the format's would lose its labels silently. */
function refuseMisspelt(row: Row, value: unknown, schema: z.ZodType, prefix: string): void {
  const known = keysOf(schema)
  for (const key of Object.keys(value as object)) {
    const meant = known.includes(key) ? undefined : closest(key, known)
    if (meant !== undefined && !Object.hasOwn(value as object, meant)) {
      throw row.error('PLUMB_DATA_FIELD', `"${prefix}${key}" is not a field of this format. Did you mean "${meant}"?`)
    }
  }
}
