import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { isPlumbError } from '../../src/errors'
import { randomStreams } from '../../src/util/random'
import type { GroupRecord } from '../../src/seams/records'
import { folderWith } from '../support/files'
import { jsonLines, reader } from './support'

/** Cases of each kind; more by hand: `PLUMBLINE_FUZZ=100000 npx jest packages/core/test/data/fuzz`. */
const CASES = Number(process.env.PLUMBLINE_FUZZ ?? 1200)
/** Milliseconds of processor time that no input of these sizes may take. */
const SLOWEST = 1000

const user = { role: 'user', content: 'q' }
const assistant = { role: 'assistant', content: 'x' }
const ROWS: readonly (readonly [string, readonly Record<string, unknown>[]])[] = [
  [
    'groups',
    [
      { id: 'a', prompt: 'q', answer: '7', candidates: [{ text: 'x', positive: true, reward: 0.5, reference: true }] },
      { messages: [user] },
    ],
  ],
  [
    'qa',
    [
      { question: 'q', answer: '7' },
      { prompt: [user], completion: [assistant] },
      { instruction: 'do', input: 'it', output: 'x', history: [['a', 'b']], system: 's' },
    ],
  ],
  ['gsm8k', [{ question: 'q', answer: 'so\n#### 7' }]],
  [
    'preference',
    [
      { prompt: 'q', chosen: 'x', rejected: 'y' },
      { chosen: [user, assistant], rejected: [user, assistant] },
      { chosen: 'the x', rejected: 'the y' },
    ],
  ],
  [
    'messages',
    [
      { messages: [user, assistant, user, assistant] },
      {
        conversations: [
          { from: 'human', value: 'q' },
          { from: 'gpt', value: 'x' },
        ],
      },
    ],
  ],
  [
    'ranked',
    [
      { context: [user], completions: [{ rank: 0, completion: [assistant] }] },
      { question: 'q', choices: ['x', 'y'], answer: 'A', candidates: [{ text: 'x', rating: 1 }] },
    ],
  ],
  ['aqua', [{ question: 'q', options: ['A)1', 'B)2'], rationale: 'x', correct: 'B' }]],
  [
    'ecqa',
    [
      {
        question: 'q',
        choices: [
          { label: 'B', text: 'x' },
          { label: 'A', text: 'y' },
        ],
        answerKey: 'A',
        explanation: 'x',
      },
    ],
  ],
]
/** Values and pieces of text that have gone wrong somewhere. */
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1e300,
  '',
  ' ',
  '\n',
  'q',
  '####',
  '\ud83d',
  '\u0000',
  '😀',
  [],
  {},
  [[]],
  [null],
  [{}],
  [user],
  [assistant],
  [user, assistant],
  [{ role: 'tool', content: 'x' }],
  [{ role: 'user', content: [{ type: 'text' }] }],
  { role: 'user', content: 'q' },
  { from: 'gpt', value: 'x' },
  'A',
  '1',
  ['A'],
  { label: ['A'], text: ['x'] },
  { toString: 1 },
  { ['__proto__']: 1 },
]
const PIECES = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\n',
  '\r',
  '\t',
  '\0',
  '\uFEFF',
  '\\ud83d',
  '9007199254740993',
  '1e999',
  'null',
  '"__proto__":1,',
  '"prompt":"q",',
  'NaN',
]

const streams = randomStreams(11)
const folder = folderWith({})

/** Reads a file; what it holds, or the PlumbError it is refused with. Anything else fails the test. */
async function outcome(format: string, content: string | Buffer, name = 'data.jsonl'): Promise<GroupRecord[] | string> {
  const file = path.join(folder, name)
  writeFileSync(file, content)
  const started = process.cpuUsage()
  const records: GroupRecord[] = []
  try {
    for await (const record of reader(format).read(file)) records.push(record)
  } catch (error) {
    if (!isPlumbError(error) || !error.code.startsWith('PLUMB_DATA_')) throw error
    if (error.where === undefined || error.message.length > 800) throw new Error(`no place, or no end: ${error.message}`)
    return error.code
  } finally {
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(SLOWEST)
  }
  return records
}

/** What every record must be, whatever it was read from. */
function soundness(record: GroupRecord): string | undefined {
  const texts = [
    record.id,
    record.prompt,
    record.answer ?? 'x',
    ...record.candidates.map(({ text }) => text),
    ...(record.messages ?? []).map(({ content }) => content),
  ]
  if (!texts.every((text) => typeof text === 'string')) return 'a text is none'
  if (texts.some((text) => /\p{Surrogate}/u.test(text))) return 'half a character'
  if (record.prompt.trim() === '') return 'a blank prompt'
  if (record.answer?.trim() === '') return 'a blank answer'
  if (record.messages !== undefined && record.messages.at(-1)?.content !== record.prompt) return 'another last message than the prompt'
  if (record.messages !== undefined && record.messages.at(-1)?.role !== 'user') return 'no last user message'
  if (record.literal !== undefined && record.messages !== undefined) return 'literal messages'
  if (record.candidates.some(({ reward }) => reward !== undefined && !Number.isFinite(reward))) return 'a reward that is not finite'
  if (record.candidates.some(({ reference, text }) => reference && text.trim() === '')) return 'a blank reference'
  return undefined
}

function check(result: GroupRecord[] | string, counts: Map<string, number>): void {
  const kind = typeof result === 'string' ? result : 'read'
  counts.set(kind, (counts.get(kind) ?? 0) + 1)
  if (typeof result !== 'string') expect(result.map(soundness).filter(Boolean)).toEqual([])
}

test('bytes changed, cut, doubled and thrown in', async () => {
  const random = streams('bytes')
  const below = (n: number): number => Math.floor(random() * n)
  const counts = new Map<string, number>()
  for (let index = 0; index < CASES; index++) {
    const [format, rows] = ROWS[below(ROWS.length)] ?? ['groups', []]
    const text = random() < 0.3 ? JSON.stringify(rows, null, below(3)) : jsonLines(...rows)
    let content = Buffer.from(text)
    if (random() < 0.15) content = gzipSync(content)
    for (let times = 1 + below(3); times > 0; times--) {
      const [at, length] = [below(content.length + 1), below(12)]
      const thrown = random() < 0.5 ? Buffer.from(PIECES[below(PIECES.length)] ?? '') : Buffer.from([below(256)])
      const [before, cut, after] = [content.subarray(0, at), content.subarray(at, at + length), content.subarray(at + length)]
      content = Buffer.concat(
        [[before, after], [before, cut, cut, after], [before, thrown, cut, after], [before, thrown, after], [before]][below(5)] ?? [],
      )
    }
    check(await outcome(format, content, random() < 0.1 && format === 'aqua' ? 'data.tsv' : 'data.jsonl'), counts)
  }
  // Neither all read nor all refused in one way: the changes reach past the first check.
  expect([...counts.keys()].sort()).toEqual(expect.arrayContaining(['PLUMB_DATA_FIELD', 'PLUMB_DATA_JSON', 'read']))
})

test('values put in the place of others', async () => {
  const random = streams('values')
  const below = (n: number): number => Math.floor(random() * n)
  const names = [...new Set(ROWS.flatMap(([, rows]) => rows.flatMap((row) => Object.keys(row))))]
  const replace = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null || random() < 0.3) return VALUES[below(VALUES.length)]
    const copy: unknown = structuredClone(value)
    const keys = Object.keys(value)
    const key = keys[below(keys.length)]
    if (key !== undefined) (copy as Record<string, unknown>)[key] = replace((copy as Record<string, unknown>)[key])
    return copy
  }
  const counts = new Map<string, number>()
  for (let index = 0; index < CASES; index++) {
    const [format, rows] = ROWS[below(ROWS.length)] ?? ['groups', []]
    const row = structuredClone(rows[below(rows.length)] ?? {})
    for (let times = 1 + below(2); times > 0; times--) {
      const keys = random() < 0.3 ? names : Object.keys(row)
      const key = keys[below(keys.length)] ?? 'prompt'
      row[key] = replace(row[key])
    }
    check(await outcome(random() < 0.2 ? (ROWS[below(ROWS.length)]?.[0] ?? format) : format, jsonLines(row)), counts)
  }
  expect([...counts.keys()].sort()).toEqual(expect.arrayContaining(['PLUMB_DATA_ENCODING', 'PLUMB_DATA_FIELD', 'read']))
})

test('random bytes', async () => {
  const random = streams('noise')
  const counts = new Map<string, number>()
  for (let index = 0; index < CASES / 4; index++) {
    const content = Buffer.from(Array.from({ length: Math.floor(random() * 2000) }, () => Math.floor(random() * 256)))
    check(await outcome('groups', content, index % 2 === 0 ? 'data.jsonl' : 'data.jsonl.gz'), counts)
  }
  expect(counts.get('read')).toBeUndefined()
})
