import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import {
  boundary,
  configSchema,
  logOnePlusSumExp,
  PolicySampler,
  ReferenceLikelihood,
  renderPrompt,
  type AlignmentLoss,
  type Config,
  type DatasetReader,
  type GroupRecord,
  type Labeler,
  type RunDependencies,
  type ScoredGroup,
} from '../../src'
import { BigramBackend, type BigramOptions } from './bigram-backend'

/**
 * A little world for whole runs: question q3 has the chain "s3 a3" and the answer a3, which a bigram model can learn. Questions of
 * the same digit are told apart by their ids only.
 */
export const WORDS = [...'qsa'].flatMap((letter) => [...'0123456789'].map((digit) => letter + digit))

export function question(id: string, digit: number, chain = true): GroupRecord {
  const reference = { text: `s${digit} a${digit}`, positive: true, reference: true }
  return { id, prompt: `q${digit}`, answer: `a${digit}`, candidates: chain ? [reference] : [] }
}

/** Right when the last word is the answer; unparsed when that is no answer word. */
export const lastWord: Labeler = {
  name: 'last-word',
  feedback: 'binary',
  label: async ({ answer }, candidates) =>
    candidates.map(({ text }) => {
      const word = text.split(' ').at(-1) ?? ''
      if (!word.startsWith('a')) return { status: 'unparsed', positive: false }
      return { status: word === answer ? 'right' : 'wrong', positive: word === answer, answer: word }
    }),
}

const jsonReader: DatasetReader = {
  name: 'json',
  async *read(file) {
    yield* (await readFile(file, 'utf8'))
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as GroupRecord)
  },
}

const manifest = {
  feedback: 'either',
  unit: 'question',
  constraint: 'none',
  constraints: ['none'],
  paper: '',
  needsReference: false,
} as const

/** Constrained alignment with the boundary, Eq. 8. */
export const contrast: AlignmentLoss = {
  manifest: { ...manifest, name: 'contrast' },
  loss: ({ scores, pairs }: ScoredGroup) => {
    const [better, worse] = [pairs.better(scores), pairs.worse(scores)]
    return logOnePlusSumExp(worse.sub(better), boundary(scores, pairs, 0.15).mul(2).sub(better).sub(worse))
  },
}

/** Σ (l − l_ref)² over the candidates: reads the reference policy, is 0 at it. */
export const stay: AlignmentLoss = {
  manifest: { ...manifest, name: 'stay', needsReference: true },
  loss: ({ logProbs, referenceLogProbs }: ScoredGroup) => tf.sum(tf.squaredDifference(logProbs, referenceLogProbs!)),
}

const LOSSES: Readonly<Record<string, AlignmentLoss>> = { contrast, stay, sft: new ReferenceLikelihood() }

export interface World {
  readonly folder: string
  readonly config: Config
  readonly backend: BigramBackend
  readonly dependencies: RunDependencies
}

export interface WorldOptions extends BigramOptions {
  readonly train?: readonly GroupRecord[]
  readonly questions?: readonly GroupRecord[]
  readonly test?: readonly GroupRecord[]
  readonly validation?: readonly GroupRecord[]
  /** Sections that replace the ones below. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly labeler?: Labeler
  readonly losses?: Readonly<Record<string, AlignmentLoss>>
}

/** Data files, a config and dependencies in a new temporary folder. */
export async function world(options: WorldOptions = {}): Promise<World> {
  const folder = await mkdtemp(path.join(tmpdir(), 'plumbline-'))
  const digits = [0, 1, 2, 3, 4, 5, 6, 7]
  const data: Record<string, { path: string; format: string }> = {}
  const put = async (name: string, records: readonly GroupRecord[] | undefined) => {
    if (records === undefined) return
    data[name] = { path: path.join(folder, `${name}.jsonl`), format: 'json' }
    await writeFile(data[name].path, records.map((record) => `${JSON.stringify(record)}\n`).join(''))
  }
  await put('train', options.train ?? digits.map((d) => question(`train-${d}`, d)))
  await put('questions', options.questions)
  await put('validation', options.validation)
  await put('test', options.test ?? digits.map((d) => question(`test-${d}`, d)))
  await mkdir(path.join(folder, 'tokenizer'))
  await writeFile(path.join(folder, 'tokenizer', 'tokenizer.json'), '{}')

  const training = { batchSize: 4, learningRate: 0.05, checkpointEvery: 5 }
  const config = configSchema.parse({
    model: { architecture: { model_type: 'bigram', words: WORDS }, tokenizer: path.join(folder, 'tokenizer') },
    run: path.join(folder, 'run'),
    data,
    sft: { ...training, steps: 24 },
    sample: { k: 5, maxNewTokens: 6 },
    align: [
      { ...training, name: 'boundary', steps: 12, losses: [{ loss: 'sft' }, { loss: 'contrast' }] },
      { ...training, name: 'stay', steps: 6, losses: [{ loss: 'sft', weight: 0.5 }, { loss: 'stay' }] },
      { ...training, name: 'control', steps: 12, losses: [{ loss: 'sft' }] },
    ],
    evaluate: { maxNewTokens: 6, control: 'control' },
    ...options.config,
  })
  const backend = new BigramBackend(options)
  const losses = { ...LOSSES, ...options.losses }
  const dependencies: RunDependencies = {
    backend,
    sampler: new PolicySampler(),
    labeler: options.labeler ?? lastWord,
    losses: (variant) => variant.losses.map(({ loss, weight }) => ({ name: loss, loss: losses[loss], weight })),
    dataset: () => jsonReader,
    prompt: (record, tokenizer) => renderPrompt(record, config.prompt, tokenizer),
    codeVersion: 'test',
  }
  return { folder, config, backend, dependencies }
}

/** Every file below a folder, by its path in it; without the log, which holds times. */
export async function filesBelow(folder: string): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {}
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || entry.name === 'log.jsonl') continue
    const file = path.join(entry.parentPath, entry.name)
    files[path.relative(folder, file)] = await readFile(file)
  }
  return files
}
