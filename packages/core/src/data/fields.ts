import { z } from 'zod'

/** An id as datasets have it, a string or a number; null is none. */
export const idSchema = z
  .union([z.string().min(1), z.number()])
  .nullish()
  .transform((id) => (id === null || id === undefined ? undefined : String(id)))

export const isBlank = (text: string): boolean => text.trim() === ''

/** A text that must say something. */
export const textSchema = z.string().refine((text) => !isBlank(text), 'must not be empty')

/** A final answer, a text or a number; null and blank ones are none. */
export const answerSchema = z
  .union([z.string(), z.number()])
  .nullish()
  .transform((answer) => finalAnswer(answer))

export function finalAnswer(answer: string | number | null | undefined): string | undefined {
  const text = String(answer ?? '').trim()
  return text === '' ? undefined : text
}

/** Nothing, as files with fixed columns write it: null, a blank text, an empty list or object, a list of these. */
export function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined) return true
  if (typeof value === 'string') return isBlank(value)
  if (Array.isArray(value)) return value.every(isEmpty)
  return typeof value === 'object' && Object.keys(value).length === 0
}

/** How messages show a value. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (value === undefined) return 'missing'
  if (value === null) return 'null'
  if (typeof value === 'object') return 'an object'
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}…"` : text
}
