import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { strftime } from '../src'

/** Python's own, written by fixtures/make_strftime.py. */
const recorded = JSON.parse(readFileSync(join(__dirname, 'fixtures/strftime.json'), 'utf8')) as Readonly<
  Record<string, Record<string, string>>
>

describe.each(Object.entries(recorded))('on %s', (date, formats) => {
  it.each(Object.entries(formats))('%j is written as Python writes it', (format, text) => {
    expect(strftime(format, date)).toBe(text)
  })
})

it('refuses what Python does not document, and what is no day', () => {
  expect(() => strftime('%Q', '2024-07-26')).toThrow('"%Q"')
  expect(() => strftime('%', '2024-07-26')).toThrow('"%"')
  expect(() => strftime('%d', '2024-13-01')).toThrow('is not a day')
})
