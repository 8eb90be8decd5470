import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { groupsReader } from '../../src/data/groups'
import type { GroupRecord } from '../../src/seams/records'
import { writeJsonLines } from '../../src/data/write'
import { failure, folderWith } from '../support/files'

const records: GroupRecord[] = [
  { id: 'a', prompt: 'p\n"q"', answer: '7', candidates: [{ text: 'line\nbreak \u2028', positive: true, reference: true }] },
  { id: 'b', prompt: 'r', candidates: [] },
]

test('what is written is read back', async () => {
  const file = path.join(folderWith({}), 'out.jsonl')
  expect(await writeJsonLines(file, records)).toBe(2)
  expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(3)
  const back: GroupRecord[] = []
  for await (const record of groupsReader.read(file)) back.push(record)
  expect(back).toEqual(records)
})

test('more than a buffer’s worth, from a generator', async () => {
  const file = path.join(folderWith({}), 'out.jsonl')
  async function* many() {
    for (let id = 0; id < 5000; id++) yield { id, text: 'x'.repeat(50) }
  }
  await writeJsonLines(file, many())
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  expect(lines.map((line) => (JSON.parse(line) as { id: number }).id)).toEqual(Array.from({ length: 5000 }, (_, id) => id))
})

test('a failure in the middle leaves the old file and nothing beside it', async () => {
  const folder = folderWith({})
  const file = path.join(folder, 'out.jsonl')
  writeFileSync(file, 'old')
  async function* broken() {
    yield { id: 1 }
    throw new Error('stopped')
  }
  expect((await failure(() => writeJsonLines(file, broken()))).message).toBe('stopped')
  expect(readdirSync(folder)).toEqual(['out.jsonl'])
  expect(readFileSync(file, 'utf8')).toBe('old')
})
