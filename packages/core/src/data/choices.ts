import { z } from 'zod'
import type { DatasetReader } from '../seams/dataset'
import { idSchema, isBlank, textSchema } from './fields'
import { keyAmong, optionsOf, withOptions } from './options'
import type { Row } from './row'
import { jsonLinesReader, rowsReader, parseJson, type Draft } from './rows'

const aquaSchema = z.looseObject({
  id: idSchema,
  question: textSchema,
  options: z.array(z.string()).min(2),
  rationale: z.string(),
  correct: z.string().regex(/^[A-Z]$/, 'must be a letter from A on'),
})

const flanSchema = z.tuple([textSchema, z.string().regex(/^\([A-Z]\)$/, 'must be a letter in parentheses'), z.string()])

/**
 * AQuA-RAT (Ling et al., arXiv:1705.04146): `{ question, options: ["A)21", …], rationale, correct }`, or a `.tsv` of FLAN's
 * chain-of-thought collection (question with options, `(A)`, rationale). The rationale gets `#### A` at its end.
 */
export const aquaReader: DatasetReader = {
  name: 'aqua',
  fields: Object.keys(aquaSchema.shape),
  read: (file, options) => (/\.tsv(\.gz)?$/.test(file) ? flanTsv : aquaJson).read(file, options),
}

const aquaJson = jsonLinesReader('aqua', aquaDraft, { fields: Object.keys(aquaSchema.shape), read: ['options'], marks: true })

function aquaDraft(row: Row): Draft {
  const { id, question, options, rationale, correct } = row.as(aquaSchema)
  const lettered = optionsOf(row, options, 'options')
  return choice({ id, prompt: withOptions(question, lettered), chain: rationale, correct: keyAmong(row, lettered, correct, 'correct') })
}

const flanTsv = rowsReader(
  'aqua',
  (text, where) => (text.startsWith('{') ? parseJson(text, where) : text.split('\t').map((cell) => cell.replace(/\\n/g, '\n'))),
  (row) => {
    const [prompt, key, chain] = row.as(flanSchema)
    const correct = key.slice(1, -1)
    const letters = [...prompt.matchAll(/^\s*\(([A-Z])\)/gm)].map(([, letter]) => letter)
    if (letters.length > 0 && !letters.includes(correct)) {
      throw row.error('PLUMB_DATA_FIELD', `The answer is ${key}, but the options are ${letters.join(', ')}.`)
    }
    return choice({ id: undefined, prompt, chain, correct })
  },
)

const ecqaSchema = z.looseObject({
  id: idSchema,
  question: textSchema,
  answerKey: z.union([z.string().regex(/^\s*\(?([A-Za-z]|\d{1,2})[).:]?\s*$/, 'must be a letter from A on'), z.number()]),
  explanation: z.string().nullish(),
  shortExplanation: z.string().nullish(),
})

/**
 * ECQA (Aggarwal et al., ACL 2021): `{ id, question, choices: [{ label, text }], answerKey, explanation, shortExplanation }`. The
 * explanation gets `#### A` at its end; a question without one has no reference.
 */
export const ecqaReader = jsonLinesReader(
  'ecqa',
  (row) => {
    const { id, question, answerKey, explanation, shortExplanation } = row.as(ecqaSchema)
    const choices = row.field('choices')
    if (choices === undefined || choices === null) throw row.misfit('"choices" is missing; it must be a list of options.')
    const options = optionsOf(row, choices, 'choices')
    return choice({
      id,
      prompt: withOptions(question, options),
      chain: [explanation, shortExplanation].find((text) => !isBlank(text ?? '')) ?? '',
      correct: keyAmong(row, options, answerKey, 'answerKey'),
    })
  },
  { fields: [...Object.keys(ecqaSchema.shape), 'choices'], read: ['choices'], marks: true },
)

function choice({ id, prompt, chain, correct }: { id: string | undefined; prompt: string; chain: string; correct: string }): Draft {
  const text = `${chain.trim()}\n#### ${correct}`
  return { id, prompt, answer: correct, candidates: chain.trim() === '' ? [] : [{ text, positive: true, reference: true }] }
}
