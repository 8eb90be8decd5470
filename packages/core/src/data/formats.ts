import { isEmpty } from './fields'

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
  if (has('completion') && any('label', 'labels', 'kto_tag')) return undefined
  if (typeof record.question === 'string' && typeof record.answer === 'string' && record.answer.includes('####')) return 'gsm8k'
  if (any('question', 'prompt', 'instruction', 'problem') && any('completion', 'response', 'output', 'solution', 'rationale', 'answer')) {
    return 'qa'
  }
  if (any('messages', 'conversations')) return 'messages'
  return undefined
}
