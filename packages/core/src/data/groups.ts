import { z } from 'zod'
import { keysOf } from '../config/issues'
import { closest } from '../util/suggest'
import { answerSchema, idSchema, textSchema } from './fields'
import type { CandidateRecord } from '../seams/records'
import { jsonLinesReader, type Row } from './rows'

export const candidateSchema = z.looseObject({
  text: z.string(),
  positive: z.boolean().optional(),
  reward: z.number().optional(),
  reference: z.boolean().optional(),
})

export const groupSchema = z.looseObject({
  id: idSchema,
  prompt: textSchema,
  answer: answerSchema.optional(),
  candidates: z.array(candidateSchema).default([]),
})

/** Plumbline's own k-ary format: `{ id, prompt, answer?, candidates: [{ text, positive?, reward?, reference? }] }`. Other fields are let through. */
export const groupsReader = jsonLinesReader('groups', (row) => {
  refuseMisspelt(row, row.value, groupSchema, '')
  const { id, prompt, answer, candidates } = row.as(groupSchema)
  return {
    id,
    prompt,
    ...(answer === undefined ? {} : { answer }),
    candidates: candidates.map((candidate, index) => {
      refuseMisspelt(row, candidate, candidateSchema, `candidates.${index}.`)
      return pick(candidate)
    }),
  }
})

function pick({ text, positive, reward, reference }: z.output<typeof candidateSchema>): CandidateRecord {
  return {
    text,
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
