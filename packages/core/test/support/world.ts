import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import {
  boundary,
  createRegistry,
  definePlugin,
  logOnePlusSumExp,
  type AlignmentLoss,
  type CandidateSource,
  type ConfigInput,
  type GroupRecord,
  type Labeler,
  type Plugin,
  type PluginRegistry,
  type ScoredGroup,
} from '../../src'
import { BigramBackend, type BigramOptions } from './bigram-backend'

/**
 * A little world for whole runs: question q3 has the chain "s3 a3" and the answer a3, which a bigram model can learn. Questions of
 * the same digit are told apart by their ids only.
 */
export const WORDS = Array.from('qsa').flatMap((letter) => Array.from('0123456789').map((digit) => letter + digit))

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

const LOSSES: Readonly<Record<string, AlignmentLoss>> = { contrast, stay }

/** What `runConfig` takes, and what a test looks at beside. */
export interface World {
  readonly folder: string
  readonly config: WrittenConfig
  readonly backend: BigramBackend
  readonly registry: PluginRegistry
}

/** A config in memory with every section there. */
export type WrittenConfig = Required<Pick<ConfigInput, 'run' | 'sft' | 'sample' | 'align' | 'evaluate'>> & ConfigInput

export interface WorldOptions extends BigramOptions {
  readonly train?: readonly GroupRecord[]
  readonly questions?: readonly GroupRecord[]
  readonly test?: readonly GroupRecord[]
  readonly validation?: readonly GroupRecord[]
  /** Sections that replace the ones below. */
  readonly config?: Readonly<Record<string, unknown>>
  /** In the place of {@link lastWord}. */
  readonly labeler?: Labeler
  /** In the place of the sampler `policy`. */
  readonly sampler?: CandidateSource
  readonly losses?: Readonly<Record<string, AlignmentLoss>>
  /** Further plugins. */
  readonly plugins?: readonly Plugin[]
  /** The version of the plugin that brings losses, labeler and sampler. */
  readonly version?: string
}

const none = z.strictObject({})

/** A plugin that registers what a test made, under the names that these things have. */
export function pluginOf(
  { losses = {}, labeler, sampler }: Pick<WorldOptions, 'losses' | 'labeler' | 'sampler'>,
  name = 'world',
  version = '1.0.0',
): Plugin {
  return definePlugin({
    name,
    apiVersion: 1,
    version,
    register: (registry) => {
      for (const [lossName, loss] of Object.entries(losses)) registry.loss(lossName, { options: none, create: () => loss })
      if (labeler) registry.labeler(labeler.name, { options: none, create: () => labeler })
      if (sampler) registry.sampler(sampler.name, { options: none, create: () => sampler })
    },
  })
}

export function registryOf(backend: BigramBackend, options: WorldOptions = {}): PluginRegistry {
  const { labeler = lastWord, sampler, losses, plugins = [], version } = options
  const builtIn = (name: string | undefined) => name === 'answer' || name === 'dataset' || name === 'policy'
  return createRegistry([
    definePlugin({
      name: 'bigram',
      apiVersion: 1,
      version: '1.0.0',
      register: (registry) => registry.backend('bigram', { options: backend.schema, create: () => backend }),
    }),
    pluginOf(
      {
        losses: { ...LOSSES, ...losses },
        labeler: builtIn(labeler.name) ? undefined : labeler,
        sampler: builtIn(sampler?.name) ? undefined : sampler,
      },
      'world',
      version,
    ),
    ...plugins,
  ])
}

/** Data files, a config and plugins in a new temporary folder: `runConfig(await world())`. */
export async function world(options: WorldOptions = {}): Promise<World> {
  const folder = await mkdtemp(path.join(tmpdir(), 'plumbline-'))
  const digits = [0, 1, 2, 3, 4, 5, 6, 7]
  const data: Record<string, { path: string }> = {}
  const put = async (name: string, records: readonly GroupRecord[] | undefined) => {
    if (records === undefined) return
    data[name] = { path: path.join(folder, `${name}.jsonl`) }
    await writeRecords(data[name].path, records)
  }
  await put('train', options.train ?? digits.map((d) => question(`train-${d}`, d)))
  await put('questions', options.questions)
  await put('validation', options.validation)
  await put('test', options.test ?? digits.map((d) => question(`test-${d}`, d)))
  await mkdir(path.join(folder, 'tokenizer'))
  await writeFile(path.join(folder, 'tokenizer', 'tokenizer.json'), '{}')

  const training = { batchSize: 4, learningRate: 0.05, checkpointEvery: 5 }
  const { labeler = lastWord, sampler } = options
  const config = {
    model: { architecture: { model_type: 'bigram', words: WORDS }, tokenizer: path.join(folder, 'tokenizer') },
    run: path.join(folder, 'run'),
    backend: 'bigram',
    data,
    label: { name: labeler.name },
    sft: { ...training, steps: 24 },
    align: [
      { ...training, name: 'boundary', steps: 12, losses: [{ loss: 'sft' }, { loss: 'contrast' }] },
      { ...training, name: 'stay', steps: 6, losses: [{ loss: 'sft', weight: 0.5 }, { loss: 'stay' }] },
      { ...training, name: 'control', steps: 12, losses: [{ loss: 'sft' }] },
    ],
    evaluate: { maxNewTokens: 6, ...(options.config?.align ? {} : { control: 'control' }) },
    ...options.config,
    sample: {
      // models of this world hardly learn to end
      ...(sampler?.kind === 'given' ? {} : { k: 5, maxNewTokens: 6, cutOff: 'keep' as const }),
      ...(sampler ? { sampler: sampler.name } : {}),
      ...(options.config?.sample as object),
    },
  } as unknown as WrittenConfig
  const backend = new BigramBackend(options)
  return { folder, config, backend, registry: registryOf(backend, options) }
}

export async function writeRecords(file: string, records: readonly GroupRecord[]): Promise<void> {
  await writeFile(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''))
}

/** The records of an artifact of the first folder of a stage. */
export async function artifact<T = Record<string, unknown>>({ config }: World, stage: string, name: string): Promise<T[]> {
  const folder = (await readdir(config.run)).find((entry) => entry.startsWith(`${stage}-`))!
  const text = await readFile(path.join(config.run, folder, name), 'utf8')
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T)
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
