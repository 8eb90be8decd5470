import { z } from 'zod'
import { extractAnswer } from '../labelers/extract'
import type { DatasetReader } from '../seams/dataset'
import type { GroupRecord } from '../seams/records'
import type { ChatMessage } from '../seams/tokenizer'
import { ANSWERS_OF_OTHERS, type Columns } from './columns'
import { conversationAround, firstDifference, headOf, messagesOf, onlyAnswer, reasoningIn, SYSTEM_FIELDS, withSystem } from './conversation'
import { describe, finalAnswer, idSchema, isBlank, isEmpty } from './fields'
import type { Row } from './row'
import { jsonLinesReader, type Draft } from './rows'

export const qaOptions = z.strictObject({
  promptField: z.string().optional().describe('The field of the question; found by its name when absent.'),
  chainField: z.string().optional().describe('The field of the reference chain; found by its name when absent.'),
  answerField: z.string().optional().describe('The field of the final answer; found by its name when absent.'),
})

type Options = z.output<typeof qaOptions>

/** Field names that are looked for, in this order. */
const PROMPTS = ['question', 'prompt', 'instruction', 'problem']
const CHAINS = ['completion', 'response', 'output', 'solution', 'rationale', 'chain']
const ANSWERS = ['answer', 'final_answer']

const rowSchema = z.looseObject({ id: idSchema })

/**
 * Plain questions and answers, by the field names in use: question/answer, prompt/completion, prompt/response, instruction(/input)/output, …
 * Question and chain stay as they are written, white space included. TRL's prompt/completion may also be lists of messages;
 * `system` and `history` (Alpaca's pairs) make a conversation of a question.
 *
 * The chain is the reference candidate. The final answer is its own field, or what the chain says explicitly (`#### 72`,
 * `\boxed{72}`, "the answer is 72"). Where `answer` is the only text it is both: a chain if it says its answer, else a bare answer.
 */
export function qaReader(options: Options): DatasetReader {
  const named = [options.promptField, options.chainField, options.answerField].filter((name) => name !== undefined)
  const columns: Columns = {
    fields: [...new Set(['id', ...PROMPTS, 'input', ...CHAINS, ...ANSWERS, 'history', ...SYSTEM_FIELDS, 'messages', ...named])],
    read: [...named, ...SYSTEM_FIELDS, 'history', 'input', 'messages'],
    answers: ANSWERS_OF_OTHERS,
    marks: true,
  }
  return jsonLinesReader('qa', (row) => draft(row, options), columns)
}

function draft(row: Row, { promptField, chainField, answerField }: Options): Draft {
  const { id } = row.as(rowSchema)
  const question = fieldOf(row, promptField, PROMPTS, 'a question')
  if (question === undefined) throw row.misfit(missing('a question', promptField, PROMPTS))
  const chain = fieldOf(row, chainField, CHAINS, 'a chain')
  const given = answersOf(row, answerField, chain)
  const reference = chain ?? given.chain
  if (reference === undefined) {
    throw row.misfit(
      `The question has no answer: ${missing('an answer', answerField ?? chainField, [...ANSWERS, ...CHAINS])}`,
      'PLUMB_DATA_NO_ANSWER',
    )
  }
  const text = chainText(row, reference)
  if (isBlank(text)) throw row.error('PLUMB_DATA_FIELD', `"${reference.field}" is the reference chain and must not be empty.`)
  const answer = given.answer ?? extractAnswer(text) ?? (chain === undefined ? finalAnswer(text) : undefined)
  const head = promptOf(row, question, reference, [promptField, chainField, answerField])
  refuseOtherMessages(row, head, text)
  return {
    id,
    ...head,
    ...(answer === undefined ? {} : { answer }),
    candidates: [{ text, ...reasoningIn(row, reference.field), positive: true, reference: true }],
  }
}

/** A field that says something, by its name. */
interface Found {
  readonly field: string
  readonly value: string | readonly unknown[]
}

/** @throws PlumbError PLUMB_DATA_FIELD where the field has another type, where two of the known ones differ, or the named one is absent. */
function fieldOf(row: Row, named: string | undefined, known: readonly string[], what: string): Found | undefined {
  const [first, second] = (named === undefined ? known : [named]).filter((name) => !isEmpty(row.field(name)))
  if (first === undefined) {
    if (named !== undefined) throw row.error('PLUMB_DATA_FIELD', missing(what, named, known))
    return undefined
  }
  if (second !== undefined && JSON.stringify(row.field(first)) !== JSON.stringify(row.field(second))) {
    throw row.error(
      'PLUMB_DATA_FIELD',
      `Both "${first}" and "${second}" may hold ${what}, and they differ: name the one to read by an option.`,
    )
  }
  const value = row.field(first)
  if (typeof value === 'string') return { field: first, value }
  if (typeof value === 'number') return { field: first, value: String(value) }
  if (Array.isArray(value) && ['prompt', 'completion'].includes(first)) return { field: first, value: value as unknown[] }
  throw row.misfit(`"${first}" must be a string, but is ${describe(value)}.`)
}

/** The final answer, or the text that is chain and answer in one where there is no other chain. */
function answersOf(row: Row, named: string | undefined, chain: Found | undefined): { chain?: Found; answer?: string } {
  if (named !== undefined || chain !== undefined) {
    const found = fieldOf(row, named, ANSWERS, 'an answer')
    if (found === undefined) return {}
    return chain === undefined ? { chain: found } : { answer: finalAnswer(chainText(row, found)) }
  }
  const answer = fieldOf(row, undefined, ['answer'], 'an answer')
  const final = fieldOf(row, undefined, ['final_answer'], 'an answer')
  if (answer === undefined || final === undefined) return { chain: answer ?? final }
  return { chain: answer, answer: finalAnswer(chainText(row, final)) }
}

function chainText(row: Row, { field, value }: Found): string {
  return typeof value === 'string' ? value : onlyAnswer(row, messagesOf(row, value, field), field)
}

function promptOf(
  row: Row,
  question: Found,
  reference: Found,
  named: readonly (string | undefined)[],
): Pick<GroupRecord, 'prompt' | 'messages' | 'literal'> {
  const { field, value } = question
  const input = inputOf(row, field, named)
  if (typeof value !== 'string') {
    if (input !== '' || !isEmpty(row.field('history'))) {
      throw row.error(
        'PLUMB_DATA_FIELD',
        `"${input === '' ? 'history' : 'input'}" needs a question in text, but "${field}" is a list of messages.`,
      )
    }
    return headOf(row, withSystem(row, messagesOf(row, value, field)), field)
  }
  const prompt = value + input
  const conversation = conversationAround(row, prompt)
  if (conversation !== undefined) return conversation
  if (typeof reference.value !== 'string') return { prompt, messages: [{ role: 'user', content: prompt }] }
  const literal = field === 'prompt' && reference.field === 'completion' && input === ''
  return { prompt, ...(literal ? { literal } : {}) }
}

/** Alpaca's second half of a question. */
function inputOf(row: Row, field: string, named: readonly (string | undefined)[]): string {
  const input = row.field('input')
  if (isEmpty(input) || named.includes('input')) return ''
  if (named[0] !== undefined && field !== 'instruction') {
    throw row.error('PLUMB_DATA_FIELD', `"input" is not read beside promptField "${field}", and it would be lost; join it to the question.`)
  }
  if (typeof input !== 'string') throw row.error('PLUMB_DATA_FIELD', `"input" must be a string, but is ${describe(input)}.`)
  return `\n${input}`
}

/** `messages` beside a question is let through where it is the same exchange, as in NuminaMath. */
function refuseOtherMessages(row: Row, { prompt, messages }: Pick<GroupRecord, 'prompt' | 'messages'>, answer: string): void {
  if (isEmpty(row.field('messages'))) return
  const head: readonly ChatMessage[] = messages ?? [{ role: 'user', content: prompt }]
  const same =
    firstDifference(messagesOf(row, row.field('messages'), 'messages'), [...head, { role: 'assistant', content: answer }]) === undefined
  if (!same)
    throw row.error(
      'PLUMB_DATA_FIELD',
      '"messages" holds another conversation than the question and its answer; format "messages" reads it.',
    )
}

function missing(what: string, chosen: string | undefined, known: readonly string[]): string {
  if (chosen !== undefined) return `expected ${what} in the field "${chosen}".`
  return `expected ${what} in one of the fields ${known.map((name) => `"${name}"`).join(', ')}.`
}
