import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { wordLevelTokenizerConfig, wordLevelTokenizerJson } from '@plumbline/transformer'
import { visible } from '../src/inspect/render'
import type { InspectedSource } from '../src/inspect/sources'
import { folderWith, plumb } from './cli'

const words = ['What', 'is', '1', '+', '1?', '2', '3', 'long']
const template =
  "{{ bos_token }}{% for m in messages %}{{ m['content'] }} {{ eos_token }} {% endfor %}{% if add_generation_prompt %}{% endif %}"
const group = (id: string, text: string, wrong = '3') => ({
  id,
  prompt: 'What is 1 + 1?',
  answer: '2',
  candidates: [
    { text, positive: true, reference: true },
    { text: wrong, positive: false },
  ],
})
const jsonl = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')

function folder(prompt = '{}') {
  return folderWith({
    'tokenizer/tokenizer.json': JSON.stringify(wordLevelTokenizerJson(words)),
    'tokenizer/tokenizer_config.json': JSON.stringify({ ...wordLevelTokenizerConfig(), chat_template: template }),
    'train.jsonl': jsonl([group('a', '2'), group('b', 'long '.repeat(20)), group('c', '2', '')]),
    'test.jsonl': jsonl([
      { ...group('t', '2'), prompt: 'What\u001b[31m is' },
      { ...group('u', '2'), prompt: 'long '.repeat(20) },
    ]),
    'plumbline.config.yaml': `
model:
  architecture: { model_type: llama, hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 1, max_position_embeddings: 12 }
  tokenizer: tokenizer
backend: onnx
prompt: ${prompt}
data: { train: train.jsonl, test: test.jsonl }
sft: { steps: 1 }
align: { loss: ca, steps: 1 }
`,
  })
}

async function inspect(cwd: string, ...args: string[]): Promise<readonly InspectedSource[]> {
  const { code, stdout, stderr } = await plumb(['inspect', 'data', '--json', ...args], { cwd })
  expect([code, stderr]).toEqual([0, ''])
  return (JSON.parse(stdout) as { sources: InspectedSource[] }).sources
}

it('gives the ids of the first records, and what is trained of them', async () => {
  const [train] = await inspect(folder(), '--source', 'train', '-n', '2')
  const prompt = { text: '<s> What is 1 + 1?', ids: [1, 4, 5, 6, 7, 8], tokens: ['<s>', 'What', 'is', '1', '+', '1?'] }
  const end = { text: '2 </s>', ids: [9, 2], tokens: ['2', '</s>'] }
  expect(train!.records).toEqual([
    {
      source: 'train',
      id: 'a',
      where: 'train.jsonl:1',
      kind: 'plain',
      rendered: 'What is 1 + 1?\n',
      prompt,
      completions: [
        { ...end, trained: true, reference: true, positive: true },
        { text: '3 </s>', ids: [10, 2], tokens: ['3', '</s>'], trained: false, positive: false },
      ],
    },
    expect.objectContaining({
      id: 'b',
      completions: [{ tooLong: true, trained: false, reference: true, positive: true }, expect.objectContaining({ ids: [10, 2] })],
    }),
  ])
  expect(train!.counts).toEqual({
    ...{ records: 3, conversations: 0, literal: 0, plain: 3, chains: 6, references: 3, empty: 1 },
    ...{ promptsTooLong: 0, dropped: 1, truncated: 0, promptsTruncated: 0, repaired: 0, reshaped: 0, unended: 0 },
  })
  expect(train!.notices).toEqual([
    expect.stringMatching(/^A run stops here: 0 prompts and 1 answers are too long for the model's context or lengths\./),
    expect.stringMatching(/^The model has a chat template, which 5 reference chains of data.train are trained without/),
  ])
})

it('puts plain questions through the chat template where the configuration says so', async () => {
  const [train] = await inspect(folder(), '--source', 'train', '-n', '1', '--set', 'prompt.chat=true')
  expect(train!.records[0]).toMatchObject({
    rendered: '<s>What is 1 + 1? </s> ',
    completions: [{ ids: [9, 2], trained: true }, { ids: [10, 2] }],
  })
})

it('prints every source, the trained tokens marked, and nothing that a terminal would obey', async () => {
  const cwd = folder()
  const { code, stdout, stderr } = await plumb(['inspect', 'data', '-n', '1'], { cwd })
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain('data.train  train.jsonl as groups\n  a  train.jsonl:1  plain\n')
  expect(stdout).toContain('    prompt  <s>·What·is·1·+·1?  6 tokens\n    +       ⟦2·</s>⟧  2 tokens  reference, right\n')
  expect(stdout).toContain('    text    What\\u{1b}[31m is\\n\n')
  expect(stdout).toContain('2 records (0 conversations, 2 plain, 0 literal), 4 chains (2 references): 0 too long, 1 with too long a prompt')
  expect(stdout).not.toContain('\u001b')
})

it('says what it cannot show', async () => {
  const cwd = folder()
  expect(await plumb(['inspect', 'data', '--source', 'validation'], { cwd })).toMatchObject({
    code: 2,
    stdout: '',
    stderr: 'PLUMB_INSPECT_NO_SOURCE  plumbline.config.yaml  The configuration has no data.validation.\n',
  })
})

it.each([
  ['a\nb\tc\r', 'a\\nb\\tc\\r'],
  ['\u001b[2J\u0007\u009b', '\\u{1b}[2J\\u{7}\\u{9b}'],
  ['a\u202eb\u200d', 'a\\u{202e}b\\u{200d}'],
  ['日本 é 😀', '日本 é 😀'],
])('writes control characters of %j as escapes', (text, shown) => {
  expect(visible(text)).toBe(shown)
})

it('shows several sources with what is drawn and left out of each, and columns under other names', async () => {
  const cwd = folder()
  const table = 'query,steps\n' + ['2', '3', '1'].map((answer) => `What is 1 + 1?,#### ${answer}\n`).join('') + 'What is 2?,none\n'
  writeFileSync(join(cwd, 'table.csv'), table)
  const data = [
    '{ path: train.jsonl, weight: 1, name: own }',
    '{ path: table.csv, format: gsm8k, weight: 3, onInvalid: skip, columns: { question: query, answer: steps } }',
  ]
  const set = ['--set', `data.train=[${data.join(', ')}]`]
  const [own, other] = await inspect(cwd, '--source', 'train', '-n', '1', ...set)
  expect(own).toMatchObject({ source: 'train.own', counts: { records: 3 }, weight: 1, drawn: 1 })
  expect(other).toMatchObject({
    source: 'train.table',
    format: 'gsm8k',
    counts: { records: 3 },
    leftOut: { PLUMB_DATA_NO_ANSWER: 1 },
    columns: { question: 'query', answer: 'steps' },
    weight: 3,
    drawn: 3,
    records: [{ source: 'train.table', id: 'table-1', where: 'table.csv:2' }],
  })
  const { stdout } = await plumb(['inspect', 'data', '--source', 'train', '-n', '0', ...set], { cwd })
  expect(stdout).toContain('data.train.table  table.csv as gsm8k\n')
  expect(stdout).toContain(
    '  columns: question is query, answer is steps\n  left out for their faults: PLUMB_DATA_NO_ANSWER 1\n  weight 3: 3 of 3 records drawn',
  )
})
