import { isEmpty } from './fields'

/** The names of the mark that says whether an answer is wanted: TRL's, and LLaMA-Factory's. */
export const MARKS = ['label', 'kto_tag']

/** The format of core that a record is most likely meant for, by its fields; undefined where none is evident. */
export function fittingFormat(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const record = value as Readonly<Record<string, unknown>>
  const has = (...names: readonly string[]): boolean => names.every((name) => Object.hasOwn(record, name) && !isEmpty(record[name]))
  const any = (...names: readonly string[]): boolean => names.some((name) => has(name))
  if (has('chosen', 'rejected')) return 'preference'
  if (has('context', 'completions')) return 'ranked'
  if (has('candidates')) return has('question') && !has('prompt') ? 'ranked' : 'groups'
  if (has('question', 'options', 'correct')) return 'aqua'
  if (has('question', 'choices', 'answerKey')) return 'ecqa'
  if (any('completion', 'messages', 'conversations') && MARKS.some((name) => isMark(record[name]))) return 'unpaired'
  if (has('completion') && any('label', 'labels', 'kto_tag')) return undefined
  if (typeof record.question === 'string' && typeof record.answer === 'string' && record.answer.includes('####')) return 'gsm8k'
  if (any('question', 'prompt', 'instruction', 'problem') && any('completion', 'response', 'output', 'solution', 'rationale', 'answer')) {
    return 'qa'
  }
  if (any('messages', 'conversations')) return 'messages'
  return undefined
}

/** Whether it tells a wanted answer from an unwanted one, in the ways that files and tables write it. */
export function isMark(value: unknown): boolean {
  return markOf(value) !== undefined
}

/** Undefined for what is neither yes nor no. */
export function markOf(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (value === 1 || value === 0) return value === 1
  const text = typeof value === 'string' ? value.trim().toLowerCase() : ''
  if (text === 'true' || text === '1') return true
  return text === 'false' || text === '0' ? false : undefined
}
