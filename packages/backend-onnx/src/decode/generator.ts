import type { Generation, GenerationPrompt, Sampling, Tokenizer } from '@plumbline/core/base'
import { Completion, CompletionRules, requirePrompts, type AdapterShape, type ModelConfig } from '@plumbline/transformer'
import { Graph } from '../graph/graph'
import { RopeTables } from '../runtime/rope-tables'
import type { HeldWeights } from '../runtime/held-tensor'
import { Scratch } from '../runtime/scratch'
import { Session, type HostTensor } from '../runtime/session'
import { DecodingBatch, FEWEST_ROWS, type CacheMemory, type PrefilledPrompt, type Row } from './batch'
import { embed, prefill } from './prefill'
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
  /** Whether the decoding graph holds the weights (see `storedWeights`); when absent, if they are small enough for it. */
  readonly storeWeights?: boolean
}

export interface RunOptions {
  /** Called with each completion as it finishes. */
  readonly onGeneration: (generation: Generation) => void
  /** Asked between steps; whatever it throws ends the run. */
  readonly checkAborted?: () => void
  /** Called with each completion that goes on, once it has a token more. */
  readonly onStep?: (completion: Completion) => void
  /** Sees the logits before each token is chosen from them; they are only valid during the call. */
  readonly onLogits?: (completion: Completion, logits: Float32Array) => void
}

export interface RunReport {
  /** Decoding steps, and rows summed over them. */
  readonly steps: number
  readonly rowSteps: number
  readonly promptTokens: number
}

/**
 * Samples completions with a key-value cache. Every prompt goes through the model once for all of its candidates. Decoding is
 * continuous: a fixed number of rows, each holding one completion, and when one ends the next takes its row.
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

  async run(
    requests: readonly GenerationPrompt[],
    sampling: Sampling,
    { onGeneration, checkAborted, onStep, onLogits }: RunOptions,
  ): Promise<RunReport> {
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
    const outputs = stepOutputs(config, Math.max(FEWEST_ROWS, maxRows))
    const ready: PrefilledPrompt[] = []
    const open: PrefilledPrompt[] = []
    let [steps, rowSteps, promptTokens] = [0, 0, 0]

    /** The next completion that does not end with its first token, or undefined when nothing is left or the prompts are too many. */
    const nextRow = async (): Promise<Row | undefined> => {
      for (;;) {
        let prompt = open.find((one) => one.waiting.length > 0 && batch.active(one) < cells)
        if (!prompt) {
          for (let i = open.length - 1; i >= 0; i--) if (open[i]!.waiting.length === 0 && batch.active(open[i]!) === 0) open.splice(i, 1)
          if (open.length >= maxPrompts) return undefined
          if (ready.length === 0) {
            const next = queue.shift()
            if (!next) return undefined
            ready.push(...(await prefill(this.prefillSession, config, weights, constants, [next], memory.prefilled)))
            promptTokens += next.prompt.length
          }
          prompt = ready.shift()!
          open.push(prompt)
        }
        const completion = new Completion(rules, prompt.id, prompt.waiting.shift()!, prompt.length)
        onLogits?.(completion, prompt.logits)
        const done = completion.next(prompt.logits)
        if (!done) {
          onStep?.(completion)
          return { prompt, completion, length: 0 }
        }
        onGeneration(done)
      }
    }

    for (;;) {
      while (batch.rows.length < maxRows) {
        const row = await nextRow()
        if (!row) break
        batch.add(row)
      }
      if (batch.rows.length === 0) {
        // Not where a run fails: a broken model leaves numbers behind that are not finite, and masking does not help against those.
        batch.release()
        this.memory = memory
        return { steps, rowSteps, promptTokens }
      }
      checkAborted?.()
      const tokens = new Int32Array(batch.height)
      for (const [index, { completion }] of batch.rows.entries()) tokens[index] = completion.tokens[completion.tokens.length - 1]!
      const { logits, entries } = outputs(batch.height)
      const feeds = { ...constants, ...this.fed, ...batch.feeds(), x: embed(config, weights, tokens) }
      await this.stepSession.run(feeds, { logits, entries })
      steps++
      rowSteps += batch.rows.length
      batch.store(entries.data)
      const count = batch.rows.length
      const ended: number[] = []
      for (let index = 0; index < count; index++) {
        const row = logits.data.subarray(index * config.vocabSize, (index + 1) * config.vocabSize)
        const { completion } = batch.rows[index]!
        onLogits?.(completion, row)
        const done = completion.next(row)
        if (!done) {
          onStep?.(completion)
          continue
        }
        onGeneration(done)
        ended.push(index)
      }
      for (const index of ended.reverse()) batch.remove(index)
      // The native call blocks this thread: messages are read between steps.
      await new Promise(setImmediate)
    }
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

/** Places for what a step returns, the same in every step. */
function stepOutputs({ vocabSize, layers, kvHeads, headDim }: ModelConfig, mostRows: number) {
  const widths = { logits: vocabSize, entries: layers * 2 * kvHeads * headDim }
  const [logits, entries] = [new Float32Array(mostRows * widths.logits), new Float32Array(mostRows * widths.entries)]
  return (rows: number) => ({
    logits: { data: logits.subarray(0, rows * widths.logits), dims: [rows, widths.logits] },
    entries: { data: entries.subarray(0, rows * widths.entries), dims: [rows, widths.entries] },
  })
}
