import path from 'node:path'
import { gsm8kReader } from '../../src/data/gsm8k'
import { originOf } from '../../src/data/origin'
import { readRecords } from '../../src/data/read'
import { failure, folderWith } from '../support/files'
import { jsonLines as lines, read, reader } from './support'

describe('groups', () => {
  test('every field, and ids from line numbers where there is none', async () => {
    const full = {
      id: 'a',
      prompt: 'p',
      answer: '7',
      candidates: [
        { text: 'x', positive: true, reward: 0.5, reference: true },
        { text: '', positive: false },
      ],
    }
    expect(await read('groups', lines(full, '', { prompt: 'q', answer: 7, source: 'book' }))).toEqual([
      full,
      { id: 'data-3', prompt: 'q', answer: '7', candidates: [] },
    ])
  })

  test('byte order mark, Windows line ends, blank lines, no line end at the end, separators inside strings', async () => {
    const text = '\uFEFF{"prompt":"a"}\r\n\r\n  \r\n{"prompt":"b\u2028c"}'
    expect((await read('groups', text)).map(({ id, prompt }) => [id, prompt])).toEqual([
      ['data-1', 'a'],
      ['data-4', 'b\u2028c'],
    ])
  })

  test('lines longer than a chunk, and characters across chunks', async () => {
    const long = 'ü€😀'.repeat(60_000)
    const [first, second] = await read('groups', lines({ prompt: long }, { prompt: 'b' }))
    expect(first!.prompt === long).toBe(true)
    expect(second!.id).toBe('data-2')
  })

  test.each([
    [
      'not JSON',
      lines({ prompt: 'a' }, '{"prompt": "b"'),
      'PLUMB_DATA_JSON',
      2,
      /This line is not JSON .*; expected one JSON object per line\./,
    ],
    ['a list', lines({ prompt: 'a' }, '[{"prompt": "a"}]'), 'PLUMB_DATA_JSON', 2, /but this line is a list/],
    ['a text', '"a"', 'PLUMB_DATA_JSON', 1, /but this line is "a"/],
    ['null', 'null', 'PLUMB_DATA_JSON', 1, /but this line is null/],
    ['no prompt', lines({ candidates: [] }), 'PLUMB_DATA_FIELD', 1, /"prompt" is missing; it must be a string\./],
    ['an empty prompt', lines({ prompt: ' ' }), 'PLUMB_DATA_FIELD', 1, /"prompt" must not be empty/],
    [
      'a wrong type',
      lines('', { prompt: 'a', candidates: [{ text: 5 }] }),
      'PLUMB_DATA_FIELD',
      2,
      /"candidates\.0\.text" must be a string, but is 5\./,
    ],
    [
      'a misspelt label',
      lines({ prompt: 'a', candidates: [{ text: 'x', postive: true }] }),
      'PLUMB_DATA_FIELD',
      1,
      /"candidates\.0\.postive" .* Did you mean "positive"\?/,
    ],
    ['misspelt candidates', lines({ prompt: 'a', candidate: [] }), 'PLUMB_DATA_FIELD', 1, /"candidate" .* Did you mean "candidates"\?/],
    ['an id twice', lines({ id: 1, prompt: 'a' }, { id: '1', prompt: 'b' }), 'PLUMB_DATA_DUPLICATE_ID', 2, /"1" stands on line 1/],
  ])('%s is refused with its line', async (_, text, code, line, message) => {
    const found = await failure(() => read('groups', text))
    expect(found.code).toBe(code)
    expect(found.where).toMatch(new RegExp(`data\\.jsonl:${line}$`))
    expect(found.message).toMatch(message)
  })

  test.each([
    ['', 'PLUMB_DATA_EMPTY'],
    ['\n \r\n', 'PLUMB_DATA_EMPTY'],
  ])('a file of %j', async (text, code) => {
    const found = await failure(() => read('groups', text))
    expect(found.code).toBe(code)
    expect(found.where).toMatch(/data\.jsonl$/)
  })

  test('no file, or a folder', async () => {
    const folder = folderWith({ 'sub/x': '' })
    for (const name of ['none.jsonl', 'sub']) {
      const { code, where } = await failure(() => readRecords(reader('groups'), { path: path.join(folder, name) }))
      expect([code, path.basename(where ?? '')]).toEqual(['PLUMB_DATA_NOT_FOUND', name])
    }
  })
})

describe('gsm8k', () => {
  const row = { question: 'How many?', answer: 'She sold 48/2 = <<48/2=24>>24 in May.\nAll: <<48+24=72>>72.\n#### 72' }

  test('the chain keeps its annotations and its ending', async () => {
    expect(await read('gsm8k', lines(row))).toEqual([
      { id: 'data-1', prompt: 'How many?', answer: '72', candidates: [{ text: row.answer, positive: true, reference: true }] },
    ])
  })

  test('annotations can be taken out', async () => {
    const [record] = await read('gsm8k', lines(row), { stripAnnotations: true })
    expect(record!.candidates[0]!.text).toBe('She sold 48/2 = 24 in May.\nAll: 72.\n#### 72')
  })

  test.each(['24 in May', '24\n####', '24\n####  '])('an answer %j without its end', async (answer) => {
    const found = await failure(() => read('gsm8k', lines(row, { question: 'q', answer })))
    expect(found.code).toBe('PLUMB_DATA_NO_ANSWER')
    expect(found.where).toMatch(/:2$/)
  })
})

describe('qa', () => {
  test.each([
    [{ question: 'q', answer: '7' }, 'q', '7', '7'],
    [{ question: 'q', answer: 7 }, 'q', '7', '7'],
    [{ question: 'q', answer: '3 + 4 = 7\n#### 7' }, 'q', '3 + 4 = 7\n#### 7', '7'],
    [{ prompt: 'q', completion: 'so \\boxed{7}' }, 'q', 'so \\boxed{7}', '7', true],
    [{ prompt: 'q', response: 'chain', answer: '7' }, 'q', 'chain', '7'],
    [{ prompt: 'q', response: 'chain' }, 'q', 'chain', undefined],
    [{ instruction: 'do', input: 'this', output: 'The answer is 7.' }, 'do\nthis', 'The answer is 7.', '7'],
    [{ instruction: 'do', input: '', output: 'x' }, 'do', 'x', undefined],
    [{ problem: 'q', solution: 'chain', answer: '7' }, 'q', 'chain', '7'],
  ])('%j', async (...[row, prompt, text, answer, literal]) => {
    expect(await read('qa', lines(row))).toEqual([
      {
        id: 'data-1',
        prompt,
        ...(literal === true ? { literal } : {}),
        ...(answer === undefined ? {} : { answer }),
        candidates: [{ text, positive: true, reference: true }],
      },
    ])
  })

  test('fields by their names', async () => {
    const [record] = await read('qa', lines({ Q: 'q', R: 'chain', A: '7', id: 9 }), { promptField: 'Q', chainField: 'R', answerField: 'A' })
    expect(record).toEqual({ id: '9', prompt: 'q', answer: '7', candidates: [{ text: 'chain', positive: true, reference: true }] })
  })

  test.each([
    [{ text: 'q' }, {}, 'PLUMB_DATA_FIELD', /expected a question in one of the fields "question", "prompt", "instruction"/],
    [{ question: 'q' }, {}, 'PLUMB_DATA_NO_ANSWER', /The question has no answer: expected an answer in one of the fields "answer"/],
    [{ question: 'q', answer: ' ' }, {}, 'PLUMB_DATA_NO_ANSWER', /has no answer/],
    [{ question: 'q', answer: null }, {}, 'PLUMB_DATA_NO_ANSWER', /has no answer/],
    [{ question: 'q', answer: ['7'] }, {}, 'PLUMB_DATA_FIELD', /"answer" must be a string, but is a list/],
    [{ question: 'q', answer: '7' }, { answerField: 'gold' }, 'PLUMB_DATA_FIELD', /expected an answer in the field "gold"/],
  ])('%j with %j is refused', async (row, options, code, message) => {
    const found = await failure(() => read('qa', lines(row), options))
    expect(found.code).toBe(code)
    expect(found.message).toMatch(message)
    expect(found.where).toMatch(/:1$/)
  })
})

describe('preference', () => {
  const user = { role: 'user', content: 'q' }
  const assistant = (content: string) => ({ role: 'assistant', content })
  const candidates = [
    { text: 'good', positive: true, reward: 1, reference: true },
    { text: 'bad', positive: false, reward: 0 },
  ]

  test.each([
    ['strings', { prompt: 'q', chosen: 'good', rejected: 'bad' }, { literal: true }],
    ['messages', { prompt: [user], chosen: [assistant('good')], rejected: [assistant('bad')] }, { messages: [user] }],
    ['the prompt inside both', { chosen: [user, assistant('good')], rejected: [user, assistant('bad')] }, { messages: [user] }],
  ])('%s', async (_, row, form) => {
    expect(await read('preference', lines(row))).toEqual([{ id: 'data-1', prompt: 'q', ...form, candidates }])
  })

  test('the chosen text need not be the reference', async () => {
    const [record] = await read('preference', lines({ prompt: 'q', chosen: 'good', rejected: 'bad' }), { chosenIsReference: false })
    expect(record!.candidates[0]).toEqual({ text: 'good', positive: true, reward: 1 })
  })

  test.each([
    [{ prompt: 'q', chosen: 'good' }, /"rejected" is missing/],
    [{ chosen: 'good', rejected: 'bad' }, /"prompt" is missing/],
    [{ prompt: 'q', chosen: [user], rejected: [user] }, /must end with an assistant message/],
    [{ prompt: 'q', chosen: [user], rejected: 'bad' }, /must both be texts or both be lists/],
  ])('%j is refused', async (row, message) => {
    const found = await failure(() => read('preference', lines(row)))
    expect([found.code, found.where?.slice(-2)]).toEqual(['PLUMB_DATA_FIELD', ':1'])
    expect(found.message).toMatch(message)
  })
})

describe('ranked', () => {
  test('NeMo-RL: rank 0 is the best', async () => {
    const completion = (content: string) => [{ role: 'assistant', content }]
    const row = {
      context: [{ role: 'user', content: 'q' }],
      completions: [
        { rank: 0, completion: completion('a') },
        { rank: 2, completion: completion('b') },
      ],
    }
    expect((await read('ranked', lines(row)))[0]).toEqual({
      id: 'data-1',
      prompt: 'q',
      messages: row.context,
      candidates: [
        { text: 'a', reward: 0 },
        { text: 'b', reward: -2 },
      ],
    })
  })

  test('rated texts', async () => {
    const row = { question: 'q', choices: ['x', 'y'], candidates: [{ text: 'a', rating: 0.9, nRatings: 3 }] }
    expect((await read('ranked', lines(row)))[0]).toMatchObject({
      prompt: 'q\nOptions:\n(A) x\n(B) y',
      candidates: [{ text: 'a', reward: 0.9 }],
    })
  })
})

describe('multiple choice', () => {
  test('AQuA', async () => {
    const row = { question: 'q', options: ['A)21', 'B)22 km'], rationale: 'so it is\n', correct: 'B' }
    expect(await read('aqua', lines(row), {}, 'data.json')).toEqual([
      {
        id: 'data-1',
        prompt: 'q\nOptions:\n(A) 21\n(B) 22 km',
        answer: 'B',
        candidates: [{ text: 'so it is\n#### B', positive: true, reference: true }],
      },
    ])
  })

  test('AQuA as FLAN has it', async () => {
    expect(await read('aqua', 'q\\nOptions:\\n(A) 1\\n(B) 2\t(B)\tone\\ntwo\n', {}, 'data.tsv')).toEqual([
      {
        id: 'data-1',
        prompt: 'q\nOptions:\n(A) 1\n(B) 2',
        answer: 'B',
        candidates: [{ text: 'one\ntwo\n#### B', positive: true, reference: true }],
      },
    ])
  })

  test('ECQA, with an explanation, a short one, or none', async () => {
    const row = {
      question: 'q',
      choices: [
        { label: 'A', text: 'x' },
        { label: 'B', text: 'y' },
      ],
      answerKey: 'A',
    }
    const rows = [
      { ...row, id: 'e', explanation: 'long' },
      { ...row, explanation: null, shortExplanation: 'short' },
      { ...row, explanation: null },
    ]
    const records = await read('ecqa', lines(...rows))
    expect(records.map(({ id, candidates }) => [id, candidates[0]?.text])).toEqual([
      ['e', 'long\n#### A'],
      ['data-2', 'short\n#### A'],
      ['data-3', undefined],
    ])
  })

  test('an answer that is no letter', async () => {
    const found = await failure(() => read('aqua', lines({ question: 'q', options: ['A)1', 'B)2'], rationale: '', correct: '1' })))
    expect(found).toMatchObject({ code: 'PLUMB_DATA_FIELD', message: '"correct" must be a letter from A on, but is "1".' })
  })
})

describe('readRecords', () => {
  const text = lines({ prompt: 'a', answer: '1', candidates: [{ text: 'x', reference: true }] }, { prompt: 'b' }, 'never read')
  const source = (limit?: number) => ({ path: path.join(folderWith({ 'data.jsonl': text }), 'data.jsonl'), limit })

  test('stops at the limit', async () => {
    const records = await readRecords(reader('groups'), source(2))
    expect(records.map(({ prompt }) => prompt)).toEqual(['a', 'b'])
    expect(originOf(records[1]!)).toMatch(/data\.jsonl:2$/)
  })

  test.each([
    [{ answer: true }, 'PLUMB_DATA_NO_ANSWER'],
    [{ reference: true }, 'PLUMB_DATA_NO_REFERENCE'],
  ])('needs %j', async (needs, code) => {
    const found = await failure(() => readRecords(reader('groups'), source(2), needs))
    expect(found.code).toBe(code)
    expect(found.where).toMatch(/data\.jsonl:2$/)
    expect(found.message).toContain('"data-2"')
  })
})

test('a reader can be left early and read again', async () => {
  const file = path.join(
    folderWith({ 'g.jsonl': lines({ question: 'q', answer: '#### 1' }, { question: 'r', answer: '#### 2' }) }),
    'g.jsonl',
  )
  const gsm8k = gsm8kReader({ stripAnnotations: false })
  for (let time = 0; time < 2; time++) {
    for await (const { id } of gsm8k.read(file)) {
      expect(id).toBe('g-1')
      break
    }
  }
})
