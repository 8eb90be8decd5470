import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import Ajv from 'ajv'
import type { Config as OclifConfig } from '@oclif/core'
import { definePlugin, runConfig, type Backend, type ChatMessage, type Plugin, type StageName } from '@plumbline/core'
import { loadModel, wordLevelTokenizerConfig, wordLevelTokenizerJson, writeModelFolder } from '@plumbline/transformer'
import { parse } from 'yaml'
import type { Dialogue } from '../src/init/ask'
import { initialise } from '../src/init/session'
import { loadAllPlugins } from '../src/run/plugins'
import { folderWith } from './cli'

const { default: fake } = jest.requireActual<{ readonly default: Plugin }>('./fixtures/fake-backend.cjs')
const oclif = { version: '0.0.0', getPluginsList: () => [] } as unknown as OclifConfig

/** The stand-in that answers sums, with a chat template. */
const chatty = definePlugin({
  name: 'chatty',
  apiVersion: 1,
  register: (registry) =>
    fake.register({
      ...registry,
      backend: (_, { options, create }) =>
        registry.backend('chatty', {
          options,
          create: (given, context) => {
            const backend = create(given, context)
            const open: Backend['open'] = async (source) => {
              const policy = await backend.open(source)
              const renderChat = (messages: readonly ChatMessage[], { addGenerationPrompt = true } = {}): string =>
                messages.map(({ role, content }) => `<${role}>${content}\n`).join('') + (addGenerationPrompt ? '<assistant>' : '')
              return Object.assign(policy, { tokenizer: { ...policy.tokenizer, renderChat } })
            }
            return { ...backend, name: 'chatty', open }
          },
        }),
    }),
})

let model = ''
beforeAll(async () => {
  const tokenizer = JSON.stringify(wordLevelTokenizerJson(['What', 'is', '+', '=']))
  const folder = folderWith({ 'tokenizer.json': tokenizer, 'tokenizer_config.json': JSON.stringify(wordLevelTokenizerConfig()) })
  const size = { hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1, intermediate_size: 16 }
  const architecture = { model_type: 'llama', ...size, max_position_embeddings: 64 }
  model = join(folder, 'model')
  await writeModelFolder(model, await loadModel({ kind: 'scratch', architecture, tokenizer: join(folder, 'tokenizer.json'), seed: 0 }))
})

interface Sum {
  readonly n: number
  readonly question: string
  readonly chain: string
  readonly wrong: string
  readonly answer: string
}

const sums = (from: number, count: number): Sum[] =>
  Array.from({ length: count }, (_, index) => {
    const [a, b] = [from + index, 2 * index + 1]
    return {
      n: a,
      question: `What is ${a} + ${b}?`,
      chain: `It is ${a + b}.\n#### ${a + b}`,
      wrong: 'It is 1.\n#### 1',
      answer: String(a + b),
    }
  })

const user = (content: string) => ({ role: 'user', content })
const assistant = (content: string) => ({ role: 'assistant', content })
const options = ({ answer }: Sum) => [`A)${answer}`, 'B)1']
const choices = ({ answer }: Sum) => [
  { label: 'A', text: answer },
  { label: 'B', text: '1' },
]

type Shape = (sum: Sum) => object
const SHAPES: readonly (readonly [name: string, shape: Shape, format: string, kind: string])[] = [
  ['GSM8K', (s) => ({ question: s.question, answer: s.chain }), 'gsm8k', 'sampled'],
  ['question and bare answer', (s) => ({ question: s.question, answer: s.answer }), 'qa', 'sampled'],
  ['prompt and completion', (s) => ({ prompt: s.question, completion: ` ${s.chain}` }), 'qa', 'sampled'],
  ['Alpaca', (s) => ({ instruction: 'Add.', input: s.question, output: s.chain }), 'qa', 'sampled'],
  ['columns of other names', (s) => ({ query: s.question, generated_solution: s.chain }), 'qa', 'sampled'],
  ['AQuA', (s) => ({ question: s.question, options: options(s), rationale: s.chain, correct: 'A' }), 'aqua', 'sampled'],
  ['ECQA', (s) => ({ question: s.question, choices: choices(s), answerKey: 'A', explanation: 'So.' }), 'ecqa', 'sampled'],
  [
    'groups with chains',
    (s) => ({ prompt: s.question, answer: s.answer, candidates: [{ text: s.chain, positive: true, reference: true }] }),
    'groups',
    'sampled',
  ],
  ['choices without an explanation', (s) => ({ question: s.question, choices: choices(s), answerKey: 'A' }), 'ecqa', 'judged'],
  [
    'groups with candidates',
    (s) => ({
      prompt: s.question,
      candidates: [
        { text: s.chain, positive: true },
        { text: s.wrong, positive: false },
      ],
    }),
    'groups',
    'given',
  ],
  ['literal pairs', (s) => ({ prompt: s.question, chosen: s.chain, rejected: s.wrong }), 'preference', 'given'],
  [
    'conversational pairs',
    (s) => ({ prompt: [user(s.question)], chosen: [assistant(s.chain)], rejected: [assistant(s.wrong)] }),
    'preference',
    'given',
  ],
  ['pairs of other names', (s) => ({ question: s.question, response_j: s.chain, response_k: s.wrong }), 'preference', 'given'],
  [
    'ratings',
    (s) => ({
      question: s.question,
      candidates: [
        { text: s.chain, rating: 3 },
        { text: s.wrong, rating: 1 },
      ],
    }),
    'ranked',
    'given',
  ],
  [
    'ranks',
    (s) => ({
      context: [user(s.question)],
      completions: [s.chain, s.wrong].map((text, rank) => ({ rank, completion: [assistant(text)] })),
    }),
    'ranked',
    'given',
  ],
  ['messages without an answer', (s) => ({ messages: [user(s.question), assistant('A sum.')] }), 'messages', 'tuned'],
  [
    'ShareGPT',
    (s) => ({
      conversations: [
        { from: 'human', value: s.question },
        { from: 'gpt', value: 'A sum.' },
      ],
    }),
    'messages',
    'tuned',
  ],
]

const lines = (records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('')

const LIMITS = [
  'sft.epochs=1',
  'sft.batchSize=4',
  'sample.k=2',
  'align.0.steps=2',
  'align.0.batchSize=4',
  'align.1.steps=2',
  'align.1.batchSize=4',
]

interface Outcome {
  readonly text: string
  readonly notes: readonly string[]
  readonly rows: readonly string[]
  readonly kind: string
}

/** Writes a configuration for the files and runs it to its end. */
async function firstRun(
  files: Readonly<Record<string, string | Buffer>>,
  data: string,
  more: { test?: string; loss?: string; last?: StageName } = {},
): Promise<Outcome> {
  const folder = folderWith({})
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  const file = join(folder, 'plumbline.config.yaml')
  const test = more.test === undefined ? {} : { test: join(folder, more.test) }
  const { notes } = await initialise({ folder, file, data: join(folder, data), model, force: false, oclif, ...more, ...test })
  const text = readFileSync(file, 'utf8')
  const schema = JSON.parse(readFileSync(join(folder, 'plumbline.schema.json'), 'utf8')) as object
  const validate = new Ajv().compile(schema)
  validate(parse(text))
  expect(validate.errors).toBeNull()
  const written = parse(text) as { sft: object; sample: object; align: unknown[] }
  const known = {
    sft: 'epochs' in written.sft,
    sample: 'k' in written.sample,
    second: written.align.length > 1,
    epochs: text.includes('name: fine-tuned'),
  }
  const limits = LIMITS.filter((limit) =>
    limit.startsWith('sft')
      ? known.sft
      : limit.startsWith('sample')
        ? known.sample
        : limit.startsWith('align.1')
          ? known.second
          : !(known.epochs && limit.includes('steps')),
  )
  const { registry } = await loadAllPlugins([], folder, oclif)
  registry.use(chatty)
  const report = await runConfig({ path: file, overrides: ['backend=chatty', ...limits], registry, last: more.last ?? 'evaluate' })
  const kind = known.sample ? (known.sft ? 'sampled' : 'judged') : known.epochs ? 'tuned' : 'given'
  return { text, notes, rows: report.rows.map(({ name }) => name), kind }
}

/** The shapes whose every stage is run; of the others, which share them, those that read the files and judge what is in them. */
const WHOLE = ['GSM8K', 'choices without an explanation', 'conversational pairs', 'ranks', 'ShareGPT']

it.each(SHAPES)('%s: recognised, and what is written runs', async (name, shape, format, kind) => {
  const files = { 'train.jsonl': lines(sums(1, 8).map(shape)), 'test.jsonl': lines(sums(100, 4).map(shape)) }
  const isWhole = WHOLE.includes(name)
  const outcome = await firstRun(files, 'train.jsonl', { last: isWhole ? 'evaluate' : 'label' })
  expect([outcome.text.match(/format: (\w+)/)?.[1], outcome.kind]).toEqual([format, kind])
  if (isWhole) expect(outcome.rows.length).toBeGreaterThan(1)
})

it('says that conversations need a chat template, where the model has none', async () => {
  const pairs = sums(1, 4).map(({ question, chain, wrong }) => ({ prompt: question, chosen: chain, rejected: wrong }))
  const asked = sums(1, 4).map((s) => ({ prompt: [user(s.question)], chosen: [assistant(s.chain)], rejected: [assistant(s.wrong)] }))
  const notesOf = async (records: readonly object[]): Promise<readonly string[]> => {
    const folder = folderWith({ 'train.jsonl': lines(records), 'test.jsonl': lines(records) })
    const data = join(folder, 'train.jsonl')
    return (await initialise({ folder, file: join(folder, 'plumbline.config.yaml'), data, model, force: false, oclif })).notes
  }
  expect(await notesOf(asked)).toContainEqual(expect.stringMatching(/^There are conversations, and the model has no chat template/))
  expect((await notesOf(pairs)).join()).not.toContain('chat template')
})

it('unpaired answers: rows of one prompt are one question', async () => {
  const both = (s: Sum) => [
    { prompt: s.question, completion: s.chain, label: true },
    { prompt: s.question, completion: s.wrong, label: false },
  ]
  const files = { 'train.jsonl': lines(sums(1, 8).flatMap(both)), 'test.jsonl': lines(sums(100, 4).flatMap(both)) }
  expect(await firstRun(files, 'train.jsonl')).toMatchObject({ kind: 'given', text: expect.stringMatching(/format: unpaired/) as string })
})

describe('files', () => {
  const gsm8k = ({ question, chain }: Sum) => ({ question, answer: chain })
  const [train, test] = [sums(1, 8).map(gsm8k), sums(100, 4).map(gsm8k)]
  const csv = (records: readonly { question: string; answer: string }[]) =>
    ['question,answer', ...records.map(({ question, answer }) => `"${question}","${answer}"`)].join('\n')

  it('of a folder are found by their names, whatever their kind, and the others are named', async () => {
    const files = {
      'd/sum_train.csv': csv(train),
      'd/sum_test.jsonl.gz': gzipSync(lines(test)),
      'd/sum_dev.json': JSON.stringify(test.slice(0, 2)),
      'd/more.jsonl': '{}',
    }
    const { text, notes } = await firstRun(files, 'd', { last: 'sft' })
    const { data } = parse(text) as { data: Record<string, { path: string; format: string }> }
    expect(Object.entries(data).map(([key, { path, format }]) => [key, path, format])).toEqual([
      ['train', 'd/sum_train.csv', 'gsm8k'],
      ['validation', 'd/sum_dev.json', 'gsm8k'],
      ['test', 'd/sum_test.jsonl.gz', 'gsm8k'],
    ])
    expect(notes).toContain('not used: more.jsonl')
  })

  it('that are parts of one are all taken', async () => {
    const files = {
      'data/train-00000-of-00002.jsonl': lines(train.slice(0, 4)),
      'data/train-00001-of-00002.jsonl': lines(train.slice(4)),
      'data/test-00000-of-00001.jsonl': lines(test),
    }
    const { text } = await firstRun(files, '.', { last: 'sft' })
    expect((parse(text) as { data: { train: unknown[] } }).data.train).toHaveLength(2)
  })

  it('without a header are read where a format knows them', async () => {
    const row = (s: Sum) => `${s.question}\\nOptions:\\n(A) ${s.answer}\\n(B) 1\t(A)\tIt is so.\n`
    const files = { 'train.tsv': sums(1, 8).map(row).join(''), 'test.tsv': sums(100, 4).map(row).join('') }
    expect((await firstRun(files, '.', { last: 'label' })).text).toContain('format: aqua')
  })

  it('without a held-out one are split by question, the same way each time', async () => {
    const twice = sums(1, 30).flatMap((s) => [s, { ...s, chain: `Well. ${s.chain}` }])
    const records = twice.map((s) => ({ prompt: s.question, chosen: s.chain, rejected: s.wrong }))
    const folder = folderWith({ 'pairs.jsonl': lines(records) })
    const file = join(folder, 'plumbline.config.yaml')
    const initialised = () => initialise({ folder, file, data: join(folder, 'pairs.jsonl'), model, force: true, oclif })
    await initialised()
    const part = (name: string) => readFileSync(join(folder, 'plumbline-data', name), 'utf8')
    const prompts = (name: string) =>
      part(name)
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { prompt: string }).prompt)
    expect([prompts('train.jsonl').length, prompts('test.jsonl').length]).toEqual([54, 6])
    expect(prompts('test.jsonl').filter((prompt) => prompts('train.jsonl').includes(prompt))).toEqual([])
    const before = part('test.jsonl')
    await initialised()
    expect(part('test.jsonl')).toBe(before)
  })
})

describe('what cannot be used is said, and nothing is written', () => {
  const gsm8k = ({ question, chain }: Sum) => ({ question, answer: chain })
  const good = { 'train.jsonl': lines(sums(1, 4).map(gsm8k)), 'test.jsonl': lines(sums(9, 4).map(gsm8k)) }
  it.each([
    ['an unknown loss', good, { loss: 'caa' }, 'PLUMB_UNKNOWN_LOSS', 'There is no loss "caa". Did you mean "ca"?'],
    [
      'fields that nothing knows',
      { ...good, 'train.jsonl': '{"foo":1,"bar":"x"}\n' },
      {},
      'PLUMB_INIT_DATA',
      /No format reads this file\. Its first record has the fields "foo", "bar"\./,
    ],
    [
      'held-out questions without answers',
      { ...good, 'test.jsonl': '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n' },
      {},
      'PLUMB_INIT_DATA',
      /1 of 1 held-out questions have no final answer/,
    ],
    [
      'a loss with nothing to compare',
      { 'train.jsonl': '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n' },
      { loss: 'dpo' },
      'PLUMB_INIT_LOSS',
      /expected --loss sft/,
    ],
    [
      'no model',
      good,
      { model: 'HuggingFaceTB/SmolLM2-135M' },
      'PLUMB_MODEL_MISSING',
      /hf download HuggingFaceTB\/SmolLM2-135M --local-dir models\/SmolLM2-135M/,
    ],
    [
      'two training files',
      { 'a_train.jsonl': '', 'b_train.jsonl': '' },
      { data: '.' },
      'PLUMB_INIT_DATA',
      /Several files .*a_train\.jsonl, b_train\.jsonl/,
    ],
  ] as const)('%s', async (_, files, more, code, sentence) => {
    const folder = folderWith(files)
    const file = join(folder, 'plumbline.config.yaml')
    const given = { data: 'train.jsonl', model, ...more }
    const options = { ...given, data: join(folder, given.data), model: given.model === model ? model : join(folder, given.model) }
    const attempt = initialise({ folder, file, force: false, oclif, ...options })
    await expect(attempt).rejects.toMatchObject({
      code,
      message: typeof sentence === 'string' ? sentence : expect.stringMatching(sentence),
    })
    expect(readdirSync(folder).sort()).toEqual(Object.keys(files).sort())
  })

  it('is asked again in a dialogue, which keeps what was answered', async () => {
    const folder = folderWith(good)
    const answers: Record<string, string[]> = {
      Model: ['nowhere', model],
      Training: [join(folder, 'absent'), folder],
      Alignment: ['caa', 'rrhf'],
    }
    const reasons: string[] = []
    const dialogue: Dialogue = {
      ask: async ({ text, refuse }) => {
        for (const answer of answers[text.split(' ')[0] ?? ''] ?? []) {
          const reason = await refuse?.(answer)
          if (reason === undefined) return answer
          reasons.push(reason)
        }
        throw new Error(`no answer to ${text} is taken`)
      },
      close: () => undefined,
    }
    const file = join(folder, 'plumbline.config.yaml')
    await initialise({ folder, file, force: false, oclif, dialogue })
    expect(reasons).toEqual([
      expect.stringMatching(/no model folder/),
      'There is no such file or folder.',
      expect.stringMatching(/Did you mean "ca"/),
    ])
    expect(readFileSync(file, 'utf8')).toContain('loss: rrhf')
  })
})
