import type { Generation, GenerationPrompt, Sampling, Tokenizer } from '@plumbline/core/base'
import { CompletionRules, decode, requirePrompts, type AdapterShape, type ModelConfig } from '@plumbline/transformer'
import { Graph } from '../graph/graph'
import { RopeTables } from '../runtime/rope-tables'
import type { HeldWeights } from '../runtime/held-tensor'
import { Scratch } from '../runtime/scratch'
import { Session, type HostTensor } from '../runtime/session'
import { DecodingBatch, FEWEST_ROWS, type CacheMemory } from './batch'
import { ContinuousRows, type DecodingHooks } from './continuous-rows'
import { prefillGraph } from './prefill-graph'
import { padded, PromptCache } from './prompt-cache'
import { rowsFor } from './rows'
import { stepGraph } from './step-graph'
import { fedWeights, graphFor, storable, storedWeights, weightFeeds } from './weights'

export { rowsFor } from './rows'

/** A model as the engine holds it. */
export interface GeneratorModel {
  readonly config: ModelConfig
  /** The arrays being trained; read at every prefill, and when the sessions are made. */
  readonly weights: HeldWeights
  /** Whose factors are among the weights. */
  readonly adapter?: AdapterShape
  readonly tokenizer: Pick<Tokenizer, 'decode'>
  /** Tokens that end a completion. */
  readonly endTokens: readonly number[]
}

export interface GeneratorOptions {
  readonly threads: number
  /** Most completions decoded at once; by the model's size when absent. */
  readonly rows?: number
  /** Whether the decoding graph holds the weights (see `storedWeights`), which packs them; when absent, if they are small enough for it. */
  readonly storeWeights?: boolean
}

export interface RunOptions extends DecodingHooks {
  /** Called with each completion as it finishes. */
  readonly onGeneration: (generation: Generation) => void
}

export interface RunReport {
  /** Decoding steps, and rows summed over them. */
  readonly steps: number
  readonly rowSteps: number
  readonly promptTokens: number
}

/**
 * Samples completions with a key-value cache. Every prompt goes through the model once for all of its candidates; decoding is continuous (see
 * `ContinuousRows`).
 *
 * A completion is the same whatever else is in the batch: rows do not mix, padding adds exact zeros, each candidate draws from
 * its own random stream, and every prompt is computed by itself: on several threads the runtime groups the sums of a product by how
 * many rows it has, so that a prompt among others would have other last bits.
 */
export class Generator {
  /** Absent while a run has it. */
  private memory: CacheMemory | undefined

  private constructor(
    private readonly model: GeneratorModel,
    private readonly prefillSession: Session,
    private readonly stepSession: Session,
    private readonly mostRows: number | undefined,
    private readonly tables: RopeTables,
    private readonly fed: Readonly<Record<string, HostTensor>>,
  ) {}

  /** Makes the sessions for today's weights: after training has changed them, a new generator is needed. */
  static async create(model: GeneratorModel, options: GeneratorOptions): Promise<Generator> {
    const { config, weights, adapter } = model
    const stored = options.storeWeights ?? storable(weights)
    const step = stored ? new Graph() : graphFor(weights)
    const stepModel = stepGraph(step, config, stored ? storedWeights(step, weights) : fedWeights(step, weights), adapter)
    const settings = { threads: options.threads, use: 'decoding' } as const
    const stepSession = await Session.create(stepModel, settings)
    const prompt = graphFor(weights)
    const prefillSession = await Session.create(prefillGraph(prompt, config, fedWeights(prompt, weights), adapter), settings)
    return new Generator(
      model,
      prefillSession,
      stepSession,
      options.rows,
      new RopeTables(config),
      stored ? {} : weightFeeds(config, weights),
    )
  }

  async run(requests: readonly GenerationPrompt[], sampling: Sampling, { onGeneration, ...hooks }: RunOptions): Promise<RunReport> {
    const { config, weights } = this.model
    const rules = completionRules(this.model, requests, sampling)
    // Prompts of similar length share prefills and the prompt cache's width; the longest first, so that memory only falls.
    const queue = requests.filter(({ candidates }) => candidates.length > 0).sort((a, b) => b.prompt.length - a.prompt.length)
    const counts = queue.map(({ candidates }) => candidates.length)
    const total = counts.reduce((sum, count) => sum + count, 0)
    const maxRows = Math.min(this.mostRows ?? rowsFor(config, sampling.maxNewTokens), total)
    const cells = Math.max(FEWEST_ROWS, Math.min(maxRows, Math.max(0, ...counts)))
    const maxPrompts = 2 * Math.ceil(maxRows / cells)
    const memory = this.memory ?? { own: new Scratch(), prompts: new PromptCache(config), prefilled: new Scratch() }
    this.memory = undefined
    const batch = new DecodingBatch(
      config,
      { cells, rows: maxRows, tokens: Math.min(sampling.maxNewTokens, config.maxPositions), prompts: maxPrompts },
      memory,
    )
    const constants = await this.tables.upTo(padded(queue[0]?.prompt.length ?? 0) + sampling.maxNewTokens)
    const { prefillSession, stepSession, fed } = this
    const rows = new ContinuousRows(
      { config, weights, prefillSession, stepSession, constants, fed, prefilled: memory.prefilled },
      rules,
      batch,
      { rows: maxRows, cells, prompts: maxPrompts },
      queue,
      hooks,
    )
    for await (const generation of decode(rows)) onGeneration(generation)
    // Not where a run fails: a broken model leaves numbers behind that are not finite, and masking does not help against those.
    batch.release()
    this.memory = memory
    const { steps, rowSteps, promptTokens } = rows
    return { steps, rowSteps, promptTokens }
  }

  async dispose(): Promise<void> {
    await this.stepSession.release()
    await this.prefillSession.release()
  }
}

/** When a model's completions end. @throws PlumbError for a prompt that it cannot continue. */
export function completionRules(
  { config, tokenizer, endTokens }: Pick<GeneratorModel, 'config' | 'tokenizer' | 'endTokens'>,
  requests: readonly GenerationPrompt[],
  sampling: Sampling,
): CompletionRules {
  const limits = { vocabularySize: config.vocabSize, contextLength: config.maxPositions, endTokens }
  requirePrompts(requests, limits)
  return new CompletionRules(sampling, limits, tokenizer)
}
