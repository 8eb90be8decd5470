import { readRecords } from '../../src'
import { failure } from '../support/files'
import { dataFile, reader } from './support'

const all = (format: string, content: string | readonly unknown[], options: object = {}, name?: string) =>
  readRecords(reader(format), { path: dataFile(content, name), ...options })

describe('columns', () => {
  test.each<[string, string | readonly unknown[], string]>([
    ['JSON', [{ query: 'q', steps: '#### 1', question: 'not this', note: 'x' }], 'data.jsonl'],
    ['CSV', 'query,steps,question,note\nq,#### 1,not this,x\n', 'data.csv'],
  ])('fields are found under other names in %s', async (_, content, name) => {
    const records = await all('gsm8k', content, { columns: { question: 'query', answer: 'steps' } }, name)
    expect(records).toEqual([{ id: 'data-1', prompt: 'q', answer: '1', candidates: [{ text: '#### 1', positive: true, reference: true }] }])
  })

  test('two may change places, and a column that another format reads is no longer refused', async () => {
    const swapped = await all('qa', [{ question: 'a', answer: 'q' }], { columns: { question: 'answer', answer: 'question' } })
    expect(swapped).toMatchObject([{ prompt: 'q', candidates: [{ text: 'a' }] }])
    const moved = await all('qa', [{ context: 'q', answer: 'a' }], { columns: { question: 'context' } })
    expect(moved).toMatchObject([{ prompt: 'q' }])
  })

  test.each<[string, string | readonly unknown[], string]>([
    ['JSON', [{ query: 'q', answer: '#### 1' }], ':1'],
    ['CSV', 'query,answer\nq,#### 1\n', ':2'],
  ])('one that the file does not have is refused, with what may be meant, in %s', async (kind, content, where) => {
    const found = await failure(() => all('gsm8k', content, { columns: { question: 'qeury' } }, kind === 'CSV' ? 'a.csv' : 'a.jsonl'))
    expect([found.code, found.message]).toEqual([
      'PLUMB_DATA_FIELD',
      'columns.question names "qeury", which the file does not have. Did you mean "query"?',
    ])
    expect(found.where?.endsWith(where)).toBe(true)
  })

  test('a field that is null in the first record of a table is there all the same', async () => {
    const records = await all('qa', 'q,a,s\nx,y,\nx,y,z\n', { columns: { question: 'q', answer: 'a', system: 's' } }, 'a.csv')
    expect(records.map(({ messages }) => messages?.length)).toEqual([undefined, 2])
  })
})

describe('records that are refused', () => {
  const rows = [
    { question: 'a', answer: '#### 1' },
    '{"question":"b","answer":',
    { question: 'c', answer: 'none' },
    { question: '', answer: '#### 1' },
    { question: 'e', answer: '#### 5', images: ['x'] },
    { id: 'same', question: 'f', answer: '#### 6' },
    { id: 'same', question: 'g', answer: '#### 7' },
    { question: 'h', answer: '#### 8' },
  ]

  test('are passed over and told where the source says so, each at its place', async () => {
    const told: [unknown, unknown][] = []
    const onRefused = (error: Error) => told.push([(error as { code?: string }).code, (error as { where?: string }).where?.slice(-2)])
    const records = await all('gsm8k', rows, { onRefused })
    expect(records.map(({ prompt }) => prompt)).toEqual(['a', 'f', 'h'])
    expect(told).toEqual([
      ['PLUMB_DATA_JSON', ':2'],
      ['PLUMB_DATA_NO_ANSWER', ':3'],
      ['PLUMB_DATA_FIELD', ':4'],
      ['PLUMB_DATA_FIELD', ':5'],
      ['PLUMB_DATA_DUPLICATE_ID', ':7'],
    ])
  })

  test('include those that lack what they are needed for', async () => {
    const told: unknown[] = []
    const content = [{ prompt: 'a', candidates: [{ text: 'x', reference: true }] }, { prompt: 'b' }]
    const source = { path: dataFile(content), onRefused: (error: Error) => told.push((error as { code?: string }).code) }
    expect(await readRecords(reader('groups'), source, { reference: true })).toHaveLength(1)
    expect(told).toEqual(['PLUMB_DATA_NO_REFERENCE'])
  })

  test('do not hide what is wrong with the file', async () => {
    const onRefused = () => undefined
    expect(await failure(() => all('gsm8k', '[{"question":"a","answer":"#### 1"}', { onRefused }))).toMatchObject({
      code: 'PLUMB_DATA_JSON',
    })
    expect(await failure(() => all('gsm8k', 'question,answer\n"a', { onRefused }, 'a.csv'))).toMatchObject({ code: 'PLUMB_DATA_TABLE' })
    const columns = { question: 'query' }
    expect(await failure(() => all('gsm8k', rows, { onRefused, columns }))).toMatchObject({ code: 'PLUMB_DATA_FIELD' })
  })
})
