import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { readJson, readLines, streamLines, writeJson } from '../../src/run/files'
import { IndexedLines } from '../../src/run/indexed-lines'
import { settleLog, noteForLog } from '../../src/run/log'
import { failure, folderWith } from '../support/files'

const records = Array.from({ length: 300 }, (_, n) => ({ n, text: 'é\u2028"\\'.repeat(n % 7) }))
const text = records.map((record) => `${JSON.stringify(record)}\n`).join('')
const artifact = (content: string | Buffer = text) => {
  const file = path.join(folderWith({}), 'a.jsonl')
  writeFileSync(file, content)
  return file
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of stream) found.push(item)
  return found
}

describe('lines of an artifact', () => {
  it.each([1, 2, 7, 64, 1 << 16])('are the same read %d bytes at a time', async (chunkBytes) => {
    expect(await all(streamLines(artifact(), chunkBytes))).toEqual(records)
  })

  it('are none of an empty file', async () => {
    expect(await readLines(artifact(''))).toEqual([])
  })

  it.each<[string, string, number]>([
    ['that ends in the middle of a line', text.slice(0, -5), 300],
    ['with a line that is not JSON', text.replace('{"n":4,', '{"n":4'), 5],
    ['with an empty line', text.replace('\n', '\n\n'), 2],
  ])('of a file %s are refused with the line', async (_, content, line) => {
    const file = artifact(content)
    expect(await failure(() => readLines(file))).toMatchObject({ code: 'PLUMB_ARTIFACT_DAMAGED', where: `${file}:${line}` })
  })

  it('may be left before the end', async () => {
    for await (const { n } of streamLines<{ n: number }>(artifact())) if (n === 3) break
  })
})

describe('indexed lines', () => {
  it.each([1, 5, 1 << 16])('give any record, and all in order (read %d bytes at a time)', async (chunkBytes) => {
    const lines = await IndexedLines.open<(typeof records)[0]>(artifact(), { chunkBytes })
    expect(lines.length).toBe(300)
    for (const index of [299, 0, 150, 151, 0]) {
      expect(await lines.get(index)).toEqual(records[index])
      expect(lines.getSync(index)).toEqual(records[index])
    }
    expect(await lines.range(297, 1000)).toEqual(records.slice(297))
    expect(await all(lines)).toEqual(records)
    await expect(lines.get(300)).rejects.toThrow(RangeError)
    expect(() => lines.getSync(-1)).toThrow(RangeError)
    await lines.close()
  })

  it('hold more lines than there was room for at first', async () => {
    const lines = await IndexedLines.open<{ n: number }>(artifact(Array.from({ length: 5000 }, (_, n) => `{"n":${n}}\n`).join('')))
    expect([lines.length, lines.getSync(4999).n, (await lines.get(1023)).n, (await lines.get(1024)).n]).toEqual([5000, 4999, 1023, 1024])
    await lines.close()
  })

  it('say which line is damaged', async () => {
    const file = artifact(text.replace('{"n":4,', '{"n":4'))
    const lines = await IndexedLines.open(file)
    expect(await failure(() => lines.get(4))).toMatchObject({ code: 'PLUMB_ARTIFACT_DAMAGED', where: `${file}:5` })
    await lines.close()
    const cut = artifact('{"n":1}\n{"n"')
    expect(await failure(() => IndexedLines.open(cut))).toMatchObject({ code: 'PLUMB_ARTIFACT_DAMAGED', where: `${cut}:2` })
  })
})

describe('JSON files', () => {
  it('are written with two spaces, and read back; there may be none', async () => {
    const file = path.join(folderWith({}), 'a.json')
    expect(await readJson(file)).toBeUndefined()
    await writeJson(file, { a: [1] })
    expect(readFileSync(file, 'utf8')).toBe('{\n  "a": [\n    1\n  ]\n}\n')
    expect(await readJson(file)).toEqual({ a: [1] })
  })

  it('that are cut off or full of NULs are refused by name', async () => {
    for (const content of ['', '{"a"', '\0\0\0']) {
      const file = path.join(folderWith({ 'done.json': content }), 'done.json')
      expect(await failure(() => readJson(file))).toMatchObject({ code: 'PLUMB_ARTIFACT_DAMAGED', where: file })
    }
  })

  it.each([NaN, Infinity, -Infinity])('never hold %d as null', async (value) => {
    const file = path.join(folderWith({}), 'a.json')
    const { code, message } = await failure(() => writeJson(file, { rows: [{ accuracy: null }, { accuracy: value }] }))
    expect([code, message]).toEqual(['PLUMB_NON_FINITE', `rows.1.accuracy is ${value} and not a finite number; it is not written.`])
  })
})

describe('a run’s log', () => {
  it('gets a noted line once, also when the process died before or after writing it, and after a torn line', async () => {
    const run = folderWith({ 'log.jsonl': '{"time":"x"}\n{"torn' })
    const note = path.join(run, 'sft-1', 'work', 'log.json')
    mkdirSync(path.dirname(note), { recursive: true })
    await noteForLog(note, { stage: 'sft', seconds: 3 })
    const line = readFileSync(note, 'utf8')
    expect(JSON.parse(line)).toMatchObject({ stage: 'sft', seconds: 3 })
    await settleLog(run, note)
    const log = readFileSync(path.join(run, 'log.jsonl'), 'utf8')
    expect(log).toBe(`{"time":"x"}\n{"torn\n${line}\n`)
    writeFileSync(note, line) // killed before the note was removed
    await settleLog(run, note)
    await settleLog(run, note)
    expect(readFileSync(path.join(run, 'log.jsonl'), 'utf8')).toBe(log)
  })
})

it('a dangling link is no JSON file', async () => {
  const folder = folderWith({})
  symlinkSync(path.join(folder, 'nowhere'), path.join(folder, 'a.json'))
  expect(await readJson(path.join(folder, 'a.json'))).toBeUndefined()
})
