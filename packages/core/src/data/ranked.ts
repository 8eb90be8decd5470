import { z } from 'zod'
import type { DatasetReader } from '../seams/dataset'
import { headOf, messagesOf, onlyAnswer } from './conversation'
import { answerSchema, idSchema, textSchema } from './fields'
import { keyAmong, optionsOf, withOptions, type Option } from './options'
import type { Row } from './row'
import { jsonLinesReader, type Draft } from './rows'

const finite = z.number().refine(Number.isFinite, 'must be a finite number')

const nemoSchema = z.looseObject({
  id: idSchema,
  context: z.array(z.unknown()),
  completions: z.array(z.looseObject({ rank: finite, completion: z.array(z.unknown()) })).min(1),
})

const ratedSchema = z.looseObject({
  id: idSchema,
  question: textSchema,
  answer: answerSchema,
  candidates: z.array(z.looseObject({ text: z.string(), rating: finite })).min(1),
})

/**
 * Ranked completions, in either of two shapes: NeMo-RL's `{ context, completions: [{ rank, completion }] }` (0 is the best rank), or
 * `{ question, choices?, candidates: [{ text, rating }] }` (larger is better). Rewards are −rank or the rating.
 */
export function rankedReader(): DatasetReader {
  return jsonLinesReader('ranked', (row) => (row.field('completions') === undefined ? rated(row) : nemo(row)), {
    fields: [...new Set([...Object.keys(nemoSchema.shape), ...Object.keys(ratedSchema.shape), 'choices'])],
    read: ['context', 'choices'],
    answers: ['chosen', 'rejected', 'messages', 'conversations'],
  })
}

function nemo(row: Row): Draft {
  const { id, context, completions } = row.as(nemoSchema)
  return {
    id,
    ...headOf(row, messagesOf(row, context, 'context'), 'context'),
    candidates: completions.map(({ rank, completion }, index) => {
      const field = `completions.${index}.completion`
      return { text: onlyAnswer(row, messagesOf(row, completion, field), field), reward: 0 - rank }
    }),
  }
}

function rated(row: Row): Draft {
  const { id, question, answer, candidates } = row.as(ratedSchema)
  const choices = row.field('choices')
  if (row.field('context') !== undefined && row.field('context') !== null) {
    throw row.error('PLUMB_DATA_FIELD', '"context" belongs to "completions", which this record lacks; join it to the question.')
  }
  const options = choices === undefined || choices === null ? undefined : optionsOf(row, choices, 'choices')
  return {
    id,
    prompt: options === undefined ? question : withOptions(question, options),
    ...(answer === undefined ? {} : { answer: options === undefined ? answer : letterOf(row, options, answer) }),
    candidates: candidates.map(({ text, rating }) => ({ text, reward: rating })),
  }
}

/** An answer may name an option by its letter or repeat its text. */
function letterOf(row: Row, options: readonly Option[], answer: string): string {
  const [same, ...others] = options.filter(({ text }) => text.trim() === answer)
  return same !== undefined && others.length === 0 ? same.letter : keyAmong(row, options, answer, 'answer')
}
