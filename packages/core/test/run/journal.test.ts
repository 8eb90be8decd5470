import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Journal, type JournalOptions } from '../../src/run/journal'
import { failure, folderWith } from '../support/files'

interface Item {
  readonly n: number
  readonly text?: string
}

const fileWith = (content: string | Buffer) => {
  const file = path.join(folderWith({}), 'journal.jsonl')
  writeFileSync(file, content)
  return file
}

/** Opens, reads, closes: what was kept, what was said, and the bytes then. */
async function opened(file: string, options: JournalOptions<Item> = {}) {
  const said: string[] = []
  const journal = await Journal.open<Item>(file, { say: (message) => said.push(message), ...options })
  await journal.close()
  return { records: journal.records.map(({ n }) => n), said, bytes: readFileSync(file, 'utf8') }
}

const three = '{"n":1,"text":"é"}\n{"n":2}\n{"n":3}\n'

describe('a journal', () => {
  it('reads back what was appended, and goes on', async () => {
    const file = path.join(folderWith({}), 'deep', 'journal.jsonl')
    const first = await Journal.open<Item>(file)
    for (const n of [1, 2, 3]) await first.append({ n })
    await first.close()
    const second = await Journal.open<Item>(file)
    expect(second.records).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
    await second.append({ n: 4 })
    await second.close()
    expect(readFileSync(file, 'utf8')).toBe('{"n":1}\n{"n":2}\n{"n":3}\n{"n":4}\n')
  })

  it('goes back to a number of records, at opening and later', async () => {
    expect(await opened(fileWith(three), { keep: 1 })).toMatchObject({ records: [1], bytes: '{"n":1,"text":"é"}\n' })
    const file = fileWith(three)
    const journal = await Journal.open<Item>(file)
    expect(await journal.cut(2)).toHaveLength(2)
    await journal.append({ n: 9 })
    await journal.close()
    expect(readFileSync(file, 'utf8')).toBe('{"n":1,"text":"é"}\n{"n":2}\n{"n":9}\n')
  })

  it.each([
    [0, []],
    [1, []],
    [15, []],
    [16, 16],
    [31, 16],
    [65, 64],
  ])('of %d records keeps whole chunks of 16 only', async (count, kept) => {
    const line = (n: number) => `{"n":${n}}\n`
    const lines = Array.from({ length: count }, (_, n) => line(n))
    const { records, bytes, said } = await opened(fileWith(lines.join('')), { multipleOf: 16 })
    expect(records).toHaveLength(Number(kept))
    expect(bytes).toBe(lines.slice(0, Number(kept)).join(''))
    expect(said).toEqual([])
  })

  it('cut at every byte keeps every whole record, and says nothing of a line that was merely not finished', async () => {
    const whole = Buffer.from(three)
    for (let size = 0; size <= whole.length; size++) {
      const { records, said, bytes } = await opened(fileWith(whole.subarray(0, size)))
      const ends = [...whole.subarray(0, size)].filter((byte) => byte === 10).length
      expect(records).toEqual([1, 2, 3].slice(0, ends))
      expect(bytes).toBe(three.split('\n').slice(0, ends).map((line) => `${line}\n`).join('')) // prettier-ignore
      expect(said).toEqual([])
    }
  })

  it.each<[string, Buffer]>([
    ['NULs', Buffer.alloc(5000)],
    ['NULs and newlines', Buffer.from('\0\0\n\0\n\n')],
    ['a torn page with a newline in it', Buffer.from('{"n":4,"te\n')],
    ['half a character of UTF-8', Buffer.concat([Buffer.from('{"n":4,"text":"'), Buffer.from([0xc3]), Buffer.from('"}\n')])],
    ['something that is JSON but no record', Buffer.from('4\nnull\n"x"\n')],
  ])('with %s at its end keeps the records before them, and says so', async (_, garbage) => {
    const { records, said, bytes } = await opened(fileWith(Buffer.concat([Buffer.from(three), garbage])), { chunkBytes: 7 })
    expect([records, bytes]).toEqual([[1, 2, 3], three])
    expect(said).toEqual([expect.stringMatching(new RegExp(`journal.jsonl was damaged: ${garbage.length} bytes at its end`))])
  })

  it('with a damaged record in the middle says file and line and what to delete, and changes nothing', async () => {
    const file = fileWith(three.replace('{"n":2}', '{"n":\0}'))
    const before = readFileSync(file)
    const { code, where, message } = await failure(() => Journal.open(file))
    expect(code).toBe('PLUMB_ARTIFACT_DAMAGED')
    expect(where).toBe(`${file}:2`)
    expect(message).toContain(`Delete ${file}`)
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  it('hands its records out one at a time, in whatever pieces it is read', async () => {
    for (const chunkBytes of [1, 2, 3, 19, 20, 21, 1000]) {
      const seen: [number, number][] = []
      const journal = await Journal.open<Item>(fileWith(three), { chunkBytes, onRecord: ({ n }, index) => seen.push([n, index]) })
      expect(journal.records).toEqual([])
      expect(journal.length).toBe(3)
      await journal.close()
      expect(seen).toEqual([[1, 0], [2, 1], [3, 2]]) // prettier-ignore
    }
  })

  it('takes no number that is not finite', async () => {
    const file = fileWith('')
    const journal = await Journal.open<object>(file)
    const { code, message } = await failure(() => journal.append({ id: 'a', logProbs: [-1, NaN] }))
    expect([code, message]).toEqual(['PLUMB_NON_FINITE', 'logProbs.1 is NaN and not a finite number; it is not written.'])
    await journal.append({ id: 'b', none: null, text: 'null' })
    await journal.close()
    expect(readFileSync(file, 'utf8')).toBe('{"id":"b","none":null,"text":"null"}\n')
  })
})
