import { readFileSync } from 'node:fs'
import path from 'node:path'
import { originOf } from '../../src'
import { jsonOf } from '../../src/data/parquet-values'
import type { GroupRecord } from '../../src/seams/records'
import { failure } from '../support/files'
import { dataFile, read, reader, refusal } from './support'

const fixtures = path.join(__dirname, 'fixtures/tables')
const fixture = (name: string): string => path.join(fixtures, name)

/** What pandas reads from the same files; written by `fixtures/make_tables.py`. */
const expected = JSON.parse(readFileSync(fixture('records.json'), 'utf8')) as Record<string, { question: string; answer: string }[]>

async function readFile(format: string, file: string): Promise<GroupRecord[]> {
  const records: GroupRecord[] = []
  for await (const record of reader(format).read(file)) records.push(record)
  return records
}

const gsm = ['question,answer', '"One, two?","1\n#### 3"', 'Three?,#### 3'].join('\n')

test('pandas has read every table', () => {
  expect(Object.keys(expected)).toHaveLength(13)
})

test.each(Object.keys(expected))('%s holds what pandas reads from it', async (name) => {
  const records = await readFile('qa', fixture(name))
  expect(records.map(({ prompt, candidates }) => ({ question: prompt, answer: candidates[0]?.text }))).toEqual(expected[name])
})

describe('a table of texts', () => {
  test('has its records at the lines that they start on, and ids by rows', async () => {
    const records = await readFile('gsm8k', dataFile(`${gsm}\r\n\r\nFour?,#### 4\n`, 'train.csv'))
    expect(records.map((record) => [record.id, originOf(record)?.replace(/^.*\//, ''), record.answer])).toEqual([
      ['train-1', 'train.csv:2', '3'],
      ['train-2', 'train.csv:4', '3'],
      ['train-3', 'train.csv:6', '4'],
    ])
  })

  test.each([
    [',', 'a.csv'],
    [';', 'a.csv'],
    ['|', 'a.csv'],
    ['\t', 'a.csv'],
    ['\t', 'a.tsv'],
  ])('with the delimiter %j in %s', async (mark, name) => {
    const [record] = await read('gsm8k', [`question${mark}answer`, `"x${mark}y"${mark}#### 1`].join('\n'), {}, name)
    expect(record).toMatchObject({ prompt: `x${mark}y`, answer: '1' })
  })

  test('an empty cell is no value, and quotes with nothing in them are an empty text', async () => {
    const rows = 'prompt,chosen,rejected\n'
    expect(await read('preference', `${rows}p,c,""\n`, {}, 'a.csv')).toMatchObject([{ candidates: [{ text: 'c' }, { text: '' }] }])
    expect(await refusal('preference', `${rows}p,c,\n`, {}, 'a.csv')).toMatchObject({
      code: 'PLUMB_DATA_FIELD',
      message: '"rejected" is missing; it must be a text or a list of messages.',
    })
  })

  test('JSON in a cell is a list where the field can be one, and a text where it cannot', async () => {
    const cell = (value: unknown): string => `"${JSON.stringify(value).replaceAll('"', '""')}"`
    const messages = [
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'a' },
    ]
    expect(await read('messages', `messages\n${cell(messages)}\n`, {}, 'a.csv')).toMatchObject([
      { prompt: 'q', candidates: [{ text: 'a' }] },
    ])
    expect(
      await read('groups', `prompt,candidates\n${cell([1, 2])},${cell([{ text: 'x', positive: true }])}\n`, {}, 'a.csv'),
    ).toMatchObject([{ prompt: '[1,2]', candidates: [{ text: 'x', positive: true }] }])
    expect(await refusal('messages', `messages\n"[{'role': 'user'}]"\n`, {}, 'a.csv')).toMatchObject({ code: 'PLUMB_DATA_FIELD' })
  })

  test.each<[string, string | Buffer, string, RegExp, string]>([
    ['a row that is too short', `${gsm}\nx\n`, 'PLUMB_DATA_TABLE', /^This row has 1 cell, and the header names 2 columns/, ':5'],
    ['a row that is too long', 'question,answer\na,b,c\n', 'PLUMB_DATA_TABLE', /^This row has 3 cells/, ':2'],
    ['a quote that does not close', `${gsm}\n"x,y\nz\n`, 'PLUMB_DATA_TABLE', /^A quote opens in the row that starts here/, ':5'],
    ['a quote behind a text', 'question,answer\na "b",c\n', 'PLUMB_DATA_TABLE', /^A quote stands where none can be/, ':2'],
    ['a column twice', 'question,question\na,b\n', 'PLUMB_DATA_TABLE', /two columns "question"/, ':1'],
    ['no name in the header', ',\na,b\n', 'PLUMB_DATA_TABLE', /a header is required/, ':1'],
    ['a header that is data', 'Two?,#### 2\nThree?,#### 3\n', 'PLUMB_DATA_FIELD', /^"question" is missing/, ':2'],
    [
      'a misspelt column',
      'questoin,answer\na,#### 1\n',
      'PLUMB_DATA_FIELD',
      /"questoin" is no field of this format; did you mean "question"\?$/,
      ':2',
    ],
    ['a header alone', 'question,answer\n', 'ok', /^$/, ''],
    ['nothing', '\n\n', 'PLUMB_DATA_EMPTY', /empty/, 'a.csv'],
    [
      'another encoding',
      Buffer.from('question,answer\na,#### 1\ncaf\xe9,#### 1\n', 'latin1'),
      'PLUMB_DATA_ENCODING',
      /^Byte 4 of this line/,
      ':3',
    ],
  ])('%s', async (_, content, code, message, where) => {
    if (code === 'ok') {
      expect(await read('gsm8k', content, {}, 'a.csv')).toEqual([])
      return
    }
    const found = await refusal('gsm8k', content, {}, 'a.csv')
    expect([found.code, found.message]).toEqual([code, expect.stringMatching(message)])
    expect(found.where?.endsWith(where)).toBe(true)
  })

  test('what stands before a broken row is read', async () => {
    const ids: string[] = []
    const found = await failure(async () => {
      for await (const { id } of reader('gsm8k').read(dataFile(`${gsm}\n"x,y\n`, 'a.csv'))) ids.push(id)
    })
    expect([ids, found.code]).toEqual([['a-1', 'a-2'], 'PLUMB_DATA_TABLE'])
  })

  test('is read no further than it is asked for', async () => {
    const file = dataFile(`question,answer\n${'a,#### 1\n'.repeat(200_000)}"broken`, 'a.csv')
    for await (const { id } of reader('gsm8k').read(file)) {
      expect(id).toBe('a-1')
      break
    }
  })

  test('whose rows are longer than the pieces that are read', async () => {
    const long = 'x, "y"\n'.repeat(60_000)
    const row = `"${long.replaceAll('"', '""')}",#### 1\n`
    const records = await readFile('gsm8k', dataFile(`question,answer\n${row}${row}Last?,#### 2\n`, 'a.csv'))
    expect(records.map(({ prompt }) => prompt === long)).toEqual([true, true, false])
    expect(originOf(records[2]!)).toMatch(/:120004$/)
  })
})

describe('Parquet', () => {
  test('has its records at the rows, over row groups', async () => {
    const records = await readFile('qa', fixture('snappy.parquet'))
    expect(records.map((record) => [record.id, originOf(record)?.replace(/^.*\//, '')]).at(-1)).toEqual([
      'snappy-7',
      'snappy.parquet  row 7',
    ])
  })

  test('lists of structs are conversations', async () => {
    expect(await readFile('messages', fixture('messages.parquet'))).toMatchObject([
      {
        prompt: 'One and one?',
        messages: [
          { role: 'system', content: 'Be short.' },
          { role: 'user', content: 'One and one?' },
        ],
        candidates: [{ text: '2' }],
      },
      { prompt: 'And two more?', candidates: [{ text: '5' }] },
    ])
  })

  test('whole numbers keep their digits, and nulls are fields that are not there', async () => {
    expect(await readFile('groups', fixture('groups.parquet'))).toEqual([
      {
        id: '9007199254740993',
        prompt: 'p',
        answer: '1',
        candidates: [
          { text: 'a', positive: true, reward: 1.5, reference: true },
          { text: 'b', positive: false },
        ],
      },
      { id: '7', prompt: 'q', candidates: [] },
    ])
  })

  test('bytes that are no text', async () => {
    const { code, message, where } = await failure(() => readFile('qa', fixture('latin1.parquet')))
    expect([code, message]).toEqual([
      'PLUMB_DATA_ENCODING',
      '"question" holds bytes that are no text in UTF-8; leave the column out, or write it as text.',
    ])
    expect(where).toMatch(/latin1\.parquet {2}row 1$/)
  })

  test.each([
    ['[{"role":"user"}]', [{ role: 'user' }]],
    ['no JSON', 'no JSON'],
  ])('a column of JSON that holds %j', (text, value) => {
    expect(jsonOf(Buffer.from(text))).toEqual(value)
  })

  const whole = readFileSync(fixture('zstd.parquet'))
  test.each<[string, Buffer, string, RegExp]>([
    ['cut off', whole.subarray(0, 900), 'PLUMB_DATA_DAMAGED', /^This Parquet file is damaged or cut off/],
    ['its first bytes alone', Buffer.from('PAR1'), 'PLUMB_DATA_DAMAGED', /damaged or cut off/],
    ['encrypted', Buffer.concat([Buffer.from('PARE'), Buffer.alloc(40), Buffer.from('PARE')]), 'PLUMB_DATA_FORMAT', /is encrypted/],
    [
      'with damaged pages',
      Buffer.concat([whole.subarray(0, 4), Buffer.alloc(300, 7), whole.subarray(304)]),
      'PLUMB_DATA_DAMAGED',
      /damaged/,
    ],
  ])('%s', async (_, content, code, message) => {
    const found = await refusal('qa', content, {}, 'a.parquet')
    expect([found.code, found.message]).toEqual([code, expect.stringMatching(message)])
    expect(found.where).toMatch(/a\.parquet$/)
  })

  test('its own compression codec LZO is named as what is missing', async () => {
    // The codec of the first column: a field of type i32 (0x15) in its metadata, in zigzag; 6 is ZSTD and 3 is LZO.
    const bytes = Buffer.from(readFileSync(fixture('zstd.parquet')))
    const footer = bytes.subarray(bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8))
    const at = footer.indexOf(Buffer.from('question')) // of the schema
    const path = footer.indexOf(Buffer.from([8, ...Buffer.from('question'), 0x15, 12]), at + 8)
    expect(path).toBeGreaterThan(0)
    footer[path + 10] = 6
    const found = await refusal('qa', bytes, {}, 'a.parquet')
    expect([found.code, found.message]).toEqual([
      'PLUMB_DATA_FORMAT',
      expect.stringMatching(/^This Parquet file is packed with LZO, which is not read/),
    ])
  })
})
