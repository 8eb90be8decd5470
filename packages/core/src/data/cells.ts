import { isPlumbError } from '../errors'
import { parseObject } from './json'

type Fields = Readonly<Record<string, unknown>>

/** Fields that are lists or objects in every format that reads them. */
const LISTS = ['messages', 'conversations', 'candidates', 'completions', 'context', 'choices', 'options', 'history']
/** Fields that are texts, or lists of messages. */
const TEXTS_OR_MESSAGES = ['prompt', 'chosen', 'rejected', 'completion']
const TRUTHS: Readonly<Record<string, boolean | undefined>> = { true: true, false: false }

/**
 * What the cells of a table of texts stand for: lists and objects that are written as JSON, in the fields that can be such, and the
 * mark `literal`. Every other cell is the text that it is.
 */
export function valuesOfCells(record: Fields, where: string): { value: Fields; exact: ReadonlySet<string> } {
  const exact = new Set<string>()
  const valueOf = (name: string, cell: unknown): unknown => {
    if (typeof cell !== 'string') return cell
    if (name === 'literal') return TRUTHS[cell.trim().toLowerCase()] ?? cell
    const isList = LISTS.includes(name)
    if (!(isList || TEXTS_OR_MESSAGES.includes(name)) || !/^\s*[[{]/.test(cell)) return cell
    const found = jsonOf(cell, where)
    if (found === undefined || !(isList || isMessages(found.value))) return cell
    for (const digits of found.exact) exact.add(digits)
    return found.value
  }
  return { value: Object.fromEntries(Object.entries(record).map(([name, cell]) => [name, valueOf(name, cell)])), exact }
}

function jsonOf(cell: string, where: string): { value: unknown; exact: ReadonlySet<string> } | undefined {
  try {
    const { value, exact } = parseObject(`{"cell":${cell}}`, where)
    return { value: (value as { readonly cell: unknown }).cell, exact }
  } catch (error) {
    if (isPlumbError(error) && error.code === 'PLUMB_DATA_JSON') return undefined
    throw error
  }
}

function isMessages(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((one: unknown) => typeof one === 'object' && one !== null && ('role' in one || 'from' in one))
  )
}
