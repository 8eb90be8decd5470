// The runs that are killed: small enough for seconds, with every stage and every loss, and each stage long enough to be hit.
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const { wordLevelTokenizerConfig, wordLevelTokenizerJson } = createRequire(import.meta.url)('@plumbline/transformer')

const NAMES = ['Ann', 'Ben', 'Eva', 'Tom']
const THINGS = ['pens', 'nuts', 'cups', 'keys']
const MOST = 12
const WORDS = [
  ...NAMES,
  ...THINGS,
  ...'has and gets more . How many ? + = , ####'.split(' '),
  ...Array.from({ length: MOST + 1 }, (_, n) => String(n)),
]

/** One to three sums in a row: questions and chains of several lengths, so that it matters which stand in a batch together. */
const question = (n) => {
  const terms = [n % 5, Math.floor(n / 5) % 4, n % 3, Math.floor(n / 2) % 4].slice(0, 2 + (Math.floor(n / 3) % 3))
  const sums = terms.slice(1).map((_, at) => terms.slice(0, at + 2).reduce((a, b) => a + b))
  const steps = (last) =>
    sums.map((sum, at) => `${at === 0 ? terms[0] : sums[at - 1]} + ${terms[at + 1]} = ${at === sums.length - 1 ? last : sum}`).join(' , ')
  const chain = (last) => `${steps(last)} #### ${last}`
  const sum = sums.at(-1)
  return {
    id: `q-${n}`,
    prompt: `${NAMES[n % 4]} has ${terms[0]} ${THINGS[n % 3]} ${terms
      .slice(1)
      .map((more) => `and gets ${more} more`)
      .join(' ')} . How many ?`,
    chain: chain(sum),
    wrong: [chain((sum + 1) % (MOST + 1)), `#### ${(sum + 2) % (MOST + 1)}`, `${chain((sum + 5) % (MOST + 1))} ${THINGS[n % 3]}`],
    sum,
  }
}
const range = (from, to) => Array.from({ length: to - from }, (_, n) => question(from + n))
const lines = (records) => records.map((record) => `${JSON.stringify(record)}\n`).join('')

const groups = (from, to) =>
  lines(
    range(from, to).map(({ id, prompt, chain, sum }) => ({
      id,
      prompt,
      answer: String(sum),
      candidates: [{ text: chain, positive: true, reference: true }],
    })),
  )
const pairs = (from, to) =>
  lines(range(from, to).map(({ prompt, chain, wrong }) => ({ prompt, chosen: ` ${chain}`, rejected: ` ${wrong[prompt.length % 3]}` })))
const ranked = (from, to) =>
  lines(
    range(from, to).map(({ id, prompt, chain, wrong }) => ({
      id,
      prompt,
      candidates: [chain, ...wrong].map((text, c) => ({ text, reward: 3 - c })),
    })),
  )

const architecture = {
  model_type: 'llama',
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 2,
  intermediate_size: 128,
  max_position_embeddings: 48,
  tie_word_embeddings: false,
  initializer_range: 0.12,
}
const scratch = { architecture, tokenizer: 'tokenizer', seed: 0 }
const training = { batchSize: 8, learningRate: 4e-3, betas: [0.9, 0.98] }

/** One variant of every loss, the control among them. */
const everyLoss = (more) =>
  [
    { name: 'control', losses: [{ loss: 'sft' }] },
    { name: 'ca', losses: [{ loss: 'sft' }, { loss: 'ca', constraint: 'boundary' }] },
    { name: 'rrhf', losses: [{ loss: 'sft' }, { loss: 'rrhf' }] },
    { name: 'pro', losses: [{ loss: 'sft' }, { loss: 'pro', constraint: 'detached' }] },
    { name: 'dpo', losses: [{ loss: 'dpo', pairing: 'all' }] },
    { name: 'rft', losses: [{ loss: 'sft' }, { loss: 'rft' }] },
  ].map((variant) => ({ ...training, learningRate: 1e-3, steps: 8, checkpointEvery: 3, ...more, ...variant }))

const sampled = (model, engines, { sft, align }) => ({
  model,
  backend: { name: 'onnx', engines, threads: engines },
  data: {
    train: { path: 'train.jsonl' },
    validation: { path: 'validation.jsonl' },
    test: { path: 'test.jsonl' },
  },
  sft: { ...training, ...sft },
  sample: { k: 4, temperature: 1, maxNewTokens: 22 },
  align: everyLoss(align),
  evaluate: { maxNewTokens: 22, control: 'control' },
})

const given = (format, align) => ({
  model: scratch,
  backend: { name: 'onnx', engines: 1, threads: 1 },
  data: { train: { path: `${format}-train.jsonl`, format }, test: { path: `${format}-test.jsonl`, format } },
  sft: format === 'preference' ? { ...training, steps: 20, checkpointEvery: 7 } : { steps: 0 },
  sample: { sampler: 'dataset' },
  label: 'dataset',
  align: align.map((variant) => ({ ...training, learningRate: 1e-3, steps: 12, checkpointEvery: 4, ...variant })),
})

/** name → the configuration of a run; `startsFrom`: the run whose stage-1 model is its model folder. */
export const SCENARIOS = {
  'scratch-1': { config: sampled(scratch, 1, { sft: { steps: 60, checkpointEvery: 20 } }) },
  'scratch-2': { config: sampled(scratch, 2, { sft: { steps: 60, checkpointEvery: 13 } }) },
  folder: {
    startsFrom: 'scratch-1',
    config: sampled('model', 2, {
      sft: { steps: 12, checkpointEvery: 1, freeze: ['model.embed_tokens.*'] },
      align: { steps: 6, checkpointEvery: 1, freeze: ['model.layers.0.*'] },
    }),
  },
  pairs: {
    config: given('preference', [
      { name: 'dpo', losses: [{ loss: 'dpo' }] },
      { name: 'ipo', losses: [{ loss: 'sft' }, { loss: 'dpo', lossType: 'ipo' }] },
      { name: 'ca', losses: [{ loss: 'ca' }] },
    ]),
  },
  ranked: {
    config: given('groups', [
      { name: 'pro', losses: [{ loss: 'pro' }] },
      { name: 'dpo', losses: [{ loss: 'dpo', pairing: 'all' }] },
      { name: 'rrhf', losses: [{ loss: 'rrhf', constraint: 'boundary' }] },
    ]),
  },
}

/** Writes everything but the run folder: data, tokenizer, configuration, and the model folder where the scenario has one. */
export function prepare(name, folder, modelFrom) {
  const { config, startsFrom } = SCENARIOS[name]
  mkdirSync(join(folder, 'tokenizer'), { recursive: true })
  const write = (file, text) => writeFileSync(join(folder, file), text)
  write('tokenizer/tokenizer.json', JSON.stringify(wordLevelTokenizerJson(WORDS)))
  write('tokenizer/tokenizer_config.json', JSON.stringify(wordLevelTokenizerConfig()))
  write('train.jsonl', groups(0, 48))
  write('validation.jsonl', groups(48, 56))
  write('test.jsonl', groups(56, 92))
  write('preference-train.jsonl', pairs(0, 60))
  write('preference-test.jsonl', pairs(60, 96))
  write('groups-train.jsonl', ranked(0, 60))
  write('groups-test.jsonl', ranked(60, 96))
  write('plumbline.config.json', JSON.stringify({ ...config, run: 'run' }, null, 2))
  if (startsFrom) {
    const stage = readdirSync(join(modelFrom, 'run')).find((entry) => entry.startsWith('sft-'))
    cpSync(join(modelFrom, 'run', stage, 'model'), join(folder, 'model'), { recursive: true })
  }
}
