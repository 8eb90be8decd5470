import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { ChatMessage } from '../../src/seams/tokenizer'
import { read } from './support'

/** What TRL's own functions return for small records of ours; written by `fixtures/make_trl_conversations.py`. */
interface Case {
  readonly name: string
  readonly row: Readonly<Record<string, unknown>>
  readonly trl: {
    readonly prompt: string | ChatMessage[]
    readonly chosen: string | ChatMessage[]
    readonly rejected: string | ChatMessage[]
  }
}
interface Conversation {
  readonly name: string
  readonly row: Readonly<Record<string, unknown>>
  readonly trl: { readonly messages: readonly ChatMessage[] }
}
const fixture = JSON.parse(readFileSync(path.join(__dirname, 'fixtures/trl-conversations.json'), 'utf8')) as {
  preference: Case[]
  conversations: Conversation[]
  drawn: Omit<Case, 'name'>[]
}

test('there are cases', () => {
  expect([fixture.preference.length, fixture.conversations.length, fixture.drawn.length]).toEqual([26, 4, 150])
})

test.each(fixture.preference.map((one) => [one.name, one] as const))('preference: %s', async (_, { row, trl }) => {
  const [record] = await read('preference', [row])
  const texts = record?.candidates.map(({ text }) => text)
  if (typeof trl.prompt === 'string') {
    expect([record?.prompt, record?.literal, record?.messages]).toEqual([trl.prompt, true, undefined])
    expect(texts).toEqual([trl.chosen, trl.rejected])
  } else {
    expect([record?.messages, record?.literal]).toEqual([trl.prompt, undefined])
    expect(texts?.map((content) => [{ role: 'assistant', content }])).toEqual([trl.chosen, trl.rejected])
  }
})

test('common beginnings of texts are cut where TRL cuts them', async () => {
  const records = await read(
    'preference',
    fixture.drawn.map(({ row }) => row),
    { chosenIsReference: false },
  )
  expect(records.map(({ prompt, candidates }) => [prompt, ...candidates.map(({ text }) => text)])).toEqual(
    fixture.drawn.map(({ trl: { prompt, chosen, rejected } }) => [prompt, chosen, rejected]),
  )
})

test.each(fixture.conversations.map((one) => [one.name, one] as const))('messages: %s', async (_, { row, trl }) => {
  const [record] = await read('messages', [row])
  const [reference] = record?.candidates ?? []
  expect([...(record?.messages ?? []), { role: 'assistant', content: reference?.text }]).toEqual(trl.messages)
  expect(reference?.reference).toBe(true)
})
