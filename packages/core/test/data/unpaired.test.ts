import { readFileSync } from 'node:fs'
import path from 'node:path'
import { originOf } from '../../src'
import { read, refusal } from './support'

/** What TRL's own function makes of pairs; written by `fixtures/make_trl_unpaired.py`. */
const cases = JSON.parse(readFileSync(path.join(__dirname, 'fixtures/trl-unpaired.json'), 'utf8')) as {
  pairs: { prompt: unknown; chosen: unknown; rejected: unknown }[]
  unpaired: unknown[]
}[]

const content = (value: unknown): unknown => (Array.isArray(value) ? (value[0] as { content: string }).content : value)
const row = (prompt: string, completion: string, label: unknown, more: object = {}) => ({ prompt, completion, label, ...more })

test('TRL has unpaired texts and messages', () => {
  expect(cases.map(({ unpaired }) => unpaired.length)).toEqual([6, 4])
})

test.each(cases)('what TRL unpaired are groups with the candidates of the pairs again (%#)', async ({ pairs, unpaired }) => {
  const records = await read('unpaired', unpaired)
  const prompts = [...new Set(pairs.map(({ prompt }) => content(prompt)))]
  expect(
    records.map(({ prompt, literal, candidates }) => [
      prompt,
      literal,
      candidates.map(({ text, positive, reference }) => [text, positive, reference]),
    ]),
  ).toEqual(
    prompts.map((prompt) => {
      const own = pairs.filter((pair) => content(pair.prompt) === prompt)
      return [
        prompt,
        Array.isArray(pairs[0]?.prompt) ? undefined : true,
        [...own.map(({ chosen }) => [content(chosen), true, true]), ...own.map(({ rejected }) => [content(rejected), false, undefined])],
      ]
    }),
  )
})

test('rows of a prompt are one question wherever they stand, at the first of them', async () => {
  const records = await read('unpaired', [
    row('a', '1', true),
    row('b', '2', 0),
    row('a', '3', 'false', { answer: 1 }),
    row('b', '4', 1, { id: 'x' }),
  ])
  expect(records).toEqual([
    {
      id: 'data-1',
      prompt: 'a',
      literal: true,
      answer: '1',
      candidates: [
        { text: '1', positive: true, reward: 1, reference: true },
        { text: '3', positive: false, reward: 0 },
      ],
    },
    {
      id: 'data-2',
      prompt: 'b',
      literal: true,
      candidates: [
        { text: '2', positive: false, reward: 0 },
        { text: '4', positive: true, reward: 1, reference: true },
      ],
    },
  ])
  expect(originOf(records[1]!)).toMatch(/:2$/)
})

test('desirable answers need not be reference chains', async () => {
  const [record] = await read('unpaired', [row('a', '1', true)], { desirableIsReference: false })
  expect(record?.candidates).toEqual([{ text: '1', positive: true, reward: 1 }])
})

test('whole conversations, with LLaMA-Factory’s mark too', async () => {
  const turns = (answer: string) => [
    { from: 'human', value: 'q' },
    { from: 'gpt', value: answer },
  ]
  const records = await read('unpaired', [
    { conversations: turns('x'), kto_tag: true, system: 's' },
    { conversations: turns('y'), kto_tag: false, system: 's' },
    { conversations: turns('z'), kto_tag: false },
  ])
  expect(records.map(({ messages, candidates }) => [messages?.length, candidates.map(({ text }) => text)])).toEqual([
    [2, ['x', 'y']],
    [1, ['z']],
  ])
})

test.each<[string, unknown, string, RegExp]>([
  [
    'no label',
    { prompt: 'a', completion: 'b' },
    'PLUMB_DATA_FIELD',
    /^"label" is missing; it must be true for a desirable answer, or false\./,
  ],
  ['a misspelt label', { prompt: 'a', completion: 'b', lable: true }, 'PLUMB_DATA_FIELD', /did you mean "label"\?$/],
  ['another label', row('a', 'b', 'good'), 'PLUMB_DATA_FIELD', /^"label" must be true or false, but is "good"\.$/],
  ['a number that is none', row('a', 'b', -1), 'PLUMB_DATA_FIELD', /but is -1/],
  ['two labels', row('a', 'b', true, { kto_tag: false }), 'PLUMB_DATA_FIELD', /differ/],
  ['no completion', { prompt: 'a', label: true }, 'PLUMB_DATA_FIELD', /^"completion" is missing/],
  ['a text and a list', row('a', [{ role: 'assistant', content: 'b' }] as never, true), 'PLUMB_DATA_FIELD', /must both be/],
  ['an empty desirable answer', row('a', ' ', true), 'PLUMB_DATA_FIELD', /must not be empty/],
  [
    'a pair',
    { prompt: 'a', chosen: 'b', rejected: 'c', label: true },
    'PLUMB_DATA_FIELD',
    /"chosen" is not read by format "unpaired".*format "preference"/,
  ],
])('%s is refused', async (_, bad, code, message) => {
  const found = await refusal('unpaired', [row('z', 'y', true), bad])
  expect([found.code, found.message]).toEqual([code, expect.stringMatching(message)])
  expect(found.where).toMatch(/:2$/)
})

test('different answers to the same prompt are refused at the second', async () => {
  const found = await refusal('unpaired', [row('a', '1', true, { answer: 1 }), row('a', '2', false, { answer: 2 })])
  expect([found.code, found.where?.slice(-2)]).toEqual(['PLUMB_DATA_FIELD', ':2'])
})

test('other formats say which one reads such marks', async () => {
  expect((await refusal('qa', [row('a', '1', true)])).message).toMatch(/Did you mean format "unpaired"\?$/)
})
