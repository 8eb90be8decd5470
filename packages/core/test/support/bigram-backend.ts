import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import {
  PlumbError,
  randomStreams,
  type Backend,
  type BackendProbe,
  type ModelFacts,
  type ModelSource,
  type Policy,
  type Tokenizer,
} from '../../src'
import { BigramPolicy, doubles, linearModules, parameterNames, type BigramAdapter } from './bigram-policy'
import { WordTokenizer } from './word-tokenizer'

export interface BigramOptions {
  /** Groups per micro-batch. */
  readonly microBatch?: number
  readonly contextLength?: number
  readonly inspects?: boolean
  /** A chat template of the model, and what belongs to it. */
  readonly chat?: Pick<Tokenizer, 'renderChat' | 'chatArguments' | 'thinking' | 'turnEnd'>
  /** The device by its own name, as `probe` says it. */
  readonly device?: string
  /** Called with every text that is tokenised. */
  readonly onEncode?: (text: string) => void
  /** Called as these begin, or, for `saved`, as a state is on disk; may throw, as if the process were killed there. */
  readonly onCall?: (what: 'forwardBackward' | 'generate' | 'logProbs' | 'saveState' | 'saved' | 'saveWeights') => void
}

const DEFAULT_CONTEXT = 64

/** Opens {@link BigramPolicy}: from its own folders, or from scratch with `architecture: { words: […] }`. */
export class BigramBackend implements Backend {
  readonly name = 'bigram'
  readonly lora = true
  /** `precision` changes the numbers of an engine that had one; `quiet` changes nothing. */
  readonly schema = z.strictObject({
    precision: z.enum(['double', 'single']).default('double'),
    threads: z.int().min(1).optional(),
    quiet: z.boolean().default(false).meta({ affectsResults: false }),
  })
  /** Policies opened and not disposed. */
  open_ = 0
  /** How often a model was opened. */
  opened = 0

  constructor(private readonly options: BigramOptions = {}) {
    if (options.inspects === false) this.inspect = undefined
  }

  async probe(): Promise<BackendProbe> {
    return { usable: true, device: this.options.device ?? 'memory, 1 thread', kind: 'memory', detail: 'A bigram model in memory.' }
  }

  /** Not there for `inspects: false`, as at backends that only know a model once it is open. */
  inspect? = async (model: ModelSource): Promise<ModelFacts> => {
    const { words } = await load(model)
    const tokenizer = Object.assign(new WordTokenizer(words, this.options.onEncode), this.options.chat)
    const { contextLength = DEFAULT_CONTEXT } = this.options
    const size = tokenizer.vocabularySize
    return { tokenizer, contextLength, parameterNames: parameterNames(size), linearModules: linearModules(size) }
  }

  async open(model: ModelSource): Promise<Policy> {
    const { words, weights, adapter } = await load(model)
    this.open_++
    this.opened++
    const tokenizer = Object.assign(new WordTokenizer(words, this.options.onEncode), this.options.chat)
    const { microBatch = 3, contextLength = DEFAULT_CONTEXT } = this.options
    const policy = new BigramPolicy(weights, tokenizer, words, { microBatch, contextLength }, adapter)
    policy.dispose = async () => {
      this.open_--
    }
    if (this.options.onCall) hook(policy, this.options.onCall)
    return policy
  }
}

function hook(policy: BigramPolicy, onCall: NonNullable<BigramOptions['onCall']>): void {
  const { forwardBackward, logProbs, saveState, saveWeights, generate } = policy
  Object.assign(policy, {
    forwardBackward: async (...args: Parameters<typeof forwardBackward>) => {
      onCall('forwardBackward')
      return forwardBackward.apply(policy, args)
    },
    logProbs: async (...args: Parameters<typeof logProbs>) => {
      onCall('logProbs')
      return logProbs.apply(policy, args)
    },
    saveState: async (folder: string) => {
      onCall('saveState')
      await saveState.call(policy, folder)
      onCall('saved')
    },
    saveWeights: async (folder: string) => {
      await saveWeights.call(policy, folder)
      onCall('saveWeights')
    },
    generate: async function* (...args: Parameters<typeof generate>) {
      for await (const generation of generate.apply(policy, args)) {
        onCall('generate')
        yield generation
      }
    },
  })
}

interface Loaded {
  readonly words: string[]
  readonly weights: Float64Array
  readonly adapter?: BigramAdapter
}

async function load(model: ModelSource): Promise<Loaded> {
  if (model.kind !== 'adapter') return model.kind === 'folder' ? read(model.path) : scratch(model)
  const { rank, scale } = JSON.parse(await readFile(path.join(model.path, 'adapter_config.json'), 'utf8')) as BigramAdapter
  const factors = doubles(await readFile(path.join(model.path, 'adapter_model.safetensors')))
  const [A, B] = [factors.slice(0, factors.length / 2), factors.slice(factors.length / 2)]
  return { ...(await load(model.base)), adapter: { rank, scale, A, B } }
}

async function read(folder: string): Promise<{ words: string[]; weights: Float64Array }> {
  const config = await readFile(path.join(folder, 'config.json'), 'utf8').catch(() => undefined)
  if (config === undefined) throw new PlumbError('PLUMB_MODEL_NO_CONFIG', 'The model folder has no config.json.', folder)
  const { words } = JSON.parse(config) as { words: string[] }
  return { words, weights: doubles(await readFile(path.join(folder, 'weights.bin'))) }
}

function scratch({ architecture, seed }: Extract<ModelSource, { kind: 'scratch' }>): { words: string[]; weights: Float64Array } {
  const words = architecture.words as string[]
  const size = new WordTokenizer(words).vocabularySize
  const uniform = randomStreams(seed)('bigram')
  return { words, weights: Float64Array.from({ length: size * size }, () => 0.2 * (uniform() - 0.5)) }
}
