import { isEmpty } from './fields'
import { fittingFormat } from './formats'
import { CHAT_TEMPLATE_KWARGS } from './template-arguments'
import type { Row } from './row'

/** What a format does with the columns that could change what is trained. */
export interface Columns {
  /** All fields that it reads, which a source's `columns` may name, and misspelt ones are compared with. */
  readonly fields?: readonly string[]
  /** Those that it reads of the ones that other formats refuse. */
  readonly read?: readonly string[]
  /** Names of answers in other formats: refused unless read. */
  readonly answers?: readonly string[]
  /** Whether marks of single answers (`label`, `score`) would be lost. */
  readonly marks?: boolean
}

const TEXT_ONLY = 'models read text alone'
const NO_TOOLS = 'tools are not supported'

/** Columns that change what the model reads, by their names without case and underscores, with the reason to refuse them. */
const MEANINGFUL: Readonly<Record<string, string>> = {
  ...named(TEXT_ONLY, 'image', 'images', 'imagepath', 'imagepaths', 'imageurl', 'imageurls', 'video', 'videos', 'audio', 'audios'),
  ...named(NO_TOOLS, 'tools', 'toolcalls', 'functions', 'functioncall'),
  ...named('documents are not put into prompts', 'documents'),
  ...named('they are arguments of the chat template', CHAT_TEMPLATE_KWARGS.replaceAll('_', '')),
  ...named('write the system message into the conversation', 'system', 'systemprompt', 'systemmessage'),
  ...named('write the earlier turns into the conversation', 'history'),
}
/** Texts that questions refer to, as data sets of reading and arithmetic (SQuAD, Dolly, RACE, SVAMP) keep them beside. */
const PASSAGES = ['input', 'inputs', 'context', 'contexts', 'passage', 'article', 'paragraph', 'premise', 'hypothesis', 'body']
const PASSAGES_REASON = 'it would be lost; join it to the question'
const OPTIONS = ['choices', 'options']
const OPTIONS_REASON = 'the options would be lost; write them into the question'
const MARKS = ['label', 'labels', 'kto_tag', 'score', 'scores', 'reward', 'rewards', 'rating', 'ratings']
/** Answers as the formats name them. */
export const ANSWERS_OF_OTHERS = ['chosen', 'rejected', 'candidates', 'completions', 'responses', 'messages', 'conversations']

function named(reason: string, ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, reason]))
}

/** @throws PlumbError PLUMB_DATA_FIELD for the first column that would change what is trained, is not empty and is not read. */
export function refuseColumns(row: Row, format: string, { read = [], answers = [], marks = false }: Columns): void {
  const record = row.value as Readonly<Record<string, unknown>>
  for (const [name, value] of Object.entries(record)) {
    if (name === CHAT_TEMPLATE_KWARGS || read.includes(name) || isEmpty(value) || isWrittenEmpty(value)) continue
    const reason = reasonAgainst(row, name, value, read)
    if (reason !== undefined)
      throw row.misfit(`"${name}" is not read by format "${format}", and leaving it out would change the record: ${reason}.`)
    if (answers.includes(name)) {
      const other = fittingFormat(record)
      const hint = other === undefined || other === format ? '' : ` Did you mean format "${other}"?`
      throw row.error('PLUMB_DATA_FIELD', `"${name}" is not read by format "${format}", and its texts would be lost.${hint}`)
    }
    if (marks && MARKS.includes(name) && isMark(value)) {
      throw row.error(
        'PLUMB_DATA_FIELD',
        `"${name}" seems to say how good the answer is (unpaired preference), and format "${format}" would train on it all the same.` +
          markHint(record),
      )
    }
  }
}

function markHint(record: Readonly<Record<string, unknown>>): string {
  return fittingFormat(record) === 'unpaired'
    ? ' Did you mean format "unpaired"?'
    : ' Write it as a candidate of format "groups" with "positive" or "reward", or leave the column out.'
}

function reasonAgainst(row: Row, name: string, value: unknown, read: readonly string[]): string | undefined {
  if (OPTIONS.includes(name)) return isWrittenOut(row, value) ? undefined : OPTIONS_REASON
  const plain = plainName(name)
  if (PASSAGES.includes(plain)) return isWrittenOut(row, [value].flat()) ? undefined : PASSAGES_REASON
  const meant = [...read, CHAT_TEMPLATE_KWARGS].find((known) => plainName(known) === plain && Object.hasOwn(MEANINGFUL, plain))
  if (meant !== undefined) return `write it as "${meant}"`
  return Object.hasOwn(MEANINGFUL, plain) ? MEANINGFUL[plain] : undefined
}

// Files whose columns are all texts write an empty list as one.
const isWrittenEmpty = (value: unknown): boolean => typeof value === 'string' && /^\s*(\[\s*\]|\{\s*\}|null|None)\s*$/.test(value)

const plainName = (name: string): string => name.toLowerCase().replace(/[-_\s]/g, '')

/** Whether the question has each of these texts in its own already. */
function isWrittenOut(row: Row, options: unknown): boolean {
  const question = ['prompt', 'question', 'instruction', 'problem'].map((name) => row.field(name)).find((text) => typeof text === 'string')
  const texts = Array.isArray(options) ? (options as unknown[]) : []
  return (
    typeof question === 'string' &&
    texts.length > 0 &&
    texts.every((option) => {
      const text = typeof option === 'object' && option !== null ? (option as { text?: unknown }).text : option
      return typeof text === 'string' && question.includes(text.trim())
    })
  )
}

function isMark(value: unknown): boolean {
  if (typeof value === 'boolean' || typeof value === 'number') return true
  if (typeof value === 'string') return /^\s*(true|false|good|bad|chosen|rejected|(un)?desirable|[-+]?\d+(\.\d+)?)\s*$/i.test(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(isMark)
}
