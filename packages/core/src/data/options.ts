import type { Row } from './row'
import { describe, isBlank } from './fields'

/** An option of a multiple choice. */
export interface Option {
  readonly letter: string
  readonly text: string
  /** Its label, where the file counts the options. */
  readonly number?: number
}

/** A letter that an option's text begins with, as AQuA writes it: `A)21`, `(A) 21`. */
const WRITTEN = /^\s*\(?([A-Z])\)\s*/
const LETTER = /^\s*\(?([A-Za-z])[).:]?\s*$/
const NUMBER = /^\s*\(?(\d{1,2})[).:]?\s*$/

/**
 * The options of a question, in the file's order and with the file's letters: texts, `A)…` texts, `{ label, text }`, or the two
 * columns `{ label: […], text: […] }`. Texts without letters get A, B, … by their places. Labels that are the numbers from 1 on
 * become letters (1 is A), since an answer that is a number would be compared as one.
 *
 * @throws PlumbError PLUMB_DATA_FIELD for a letter that two options have, letters for some only, other labels, an empty option,
 *   fewer than two or more than 26.
 */
export function optionsOf(row: Row, value: unknown, field: string): Option[] {
  const refuse = (what: string): never => {
    throw row.error('PLUMB_DATA_FIELD', what)
  }
  const entries = entriesOf(value) ?? refuse(`"${field}" must be a list of options, but is ${describe(value)}.`)
  if (entries.length < 2) return refuse(`"${field}" must have at least 2 entries.`)
  if (entries.length > 26) return refuse(`"${field}" has ${entries.length} options, and there are 26 letters.`)
  const texts = entries.map(({ text }, index) =>
    typeof text === 'string' ? text : refuse(`"${field}.${index}" must be an option's text, but is ${describe(text)}.`),
  )
  const labels = entries.map(({ label }) => label)
  const options = labels.some((label) => label !== undefined) ? labelled(labels, texts, field, refuse) : unlabelled(texts, field, refuse)
  options.forEach(({ letter, text }, index) => {
    if (isBlank(text)) refuse(`Option ${letter} of "${field}" must not be empty.`)
    const earlier = options.findIndex((option) => option.letter === letter)
    if (earlier < index) refuse(`"${field}" has two options ${letter}.`)
  })
  return options
}

type Refuse = (what: string) => never

interface Entry {
  readonly label?: unknown
  readonly text: unknown
}

function entriesOf(value: unknown): Entry[] | undefined {
  if (Array.isArray(value)) {
    return value.map((option: unknown) => {
      if (typeof option !== 'object' || option === null || Array.isArray(option)) return { text: option }
      const { label, text } = option as { label?: unknown; text?: unknown }
      return { label: label ?? null, text }
    })
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { label, text } = value as { label?: unknown; text?: unknown }
  if (!Array.isArray(label) || !Array.isArray(text) || label.length !== text.length) return undefined
  return text.map((one: unknown, index) => ({ label: (label as unknown[])[index] ?? null, text: one }))
}

function labelled(labels: readonly unknown[], texts: readonly string[], field: string, refuse: Refuse): Option[] {
  const written = labels.map((label) => (typeof label === 'string' || typeof label === 'number' ? String(label) : ''))
  const letters = written.map((label) => LETTER.exec(label)?.[1]?.toUpperCase())
  const numbers = written.map((label) => Number(NUMBER.exec(label)?.[1] ?? 0))
  const counted = numbers.every((number) => number >= 1 && number <= labels.length)
  return texts.map((text, index) => {
    const number = numbers[index]
    if (counted && number !== undefined) return { letter: letterAt(number - 1), text, number }
    const letter = letters[index]
    if (letter !== undefined) return { letter, text }
    const rule = `letters, or the numbers from 1 to ${labels.length}`
    return refuse(`The labels of "${field}" must be ${rule}, but one is ${labels[index] === null ? 'missing' : describe(labels[index])}.`)
  })
}

function unlabelled(texts: readonly string[], field: string, refuse: Refuse): Option[] {
  const letters = texts.map((text) => WRITTEN.exec(text)?.[1])
  const with_ = letters.filter((letter) => letter !== undefined).length
  if (with_ > 0 && with_ < texts.length) refuse(`Of the options of "${field}" some begin with a letter, as in "A) …", and some do not.`)
  return texts.map((text, index) => ({ letter: letters[index] ?? letterAt(index), text: with_ === 0 ? text : text.replace(WRITTEN, '') }))
}

/** The letter of the option that a key names, by letter or number. @throws PlumbError PLUMB_DATA_FIELD for one that is no option. */
export function keyAmong(row: Row, options: readonly Option[], key: string | number, field: string): string {
  const number = NUMBER.exec(String(key))?.[1]
  const letter = LETTER.exec(String(key))?.[1]?.toUpperCase()
  const found = options.find((option) => (option.number === undefined ? option.letter === letter : option.number === Number(number)))
  if (found !== undefined) return found.letter
  const letters = options.map((option) => option.number ?? option.letter).join(', ')
  throw row.error('PLUMB_DATA_FIELD', `"${field}" is ${describe(key)}, but the options are ${letters}.`)
}

/** A question with its options, as FLAN's chain-of-thought files write them: `Options:` and a line `(A) …` each. */
export function withOptions(question: string, options: readonly Option[]): string {
  return [question, 'Options:', ...options.map(({ letter, text }) => `(${letter}) ${text}`)].join('\n')
}

function letterAt(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index)
}
