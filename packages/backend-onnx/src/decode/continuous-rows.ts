import type { Generation, GenerationPrompt } from '@plumbline/core/base'
import { Completion, type CompletionRules, type DecodingRows, type ModelConfig, type Turn } from '@plumbline/transformer'
import type { HeldWeights } from '../runtime/held-tensor'
import type { Scratch } from '../runtime/scratch'
import type { Feeds, Session } from '../runtime/session'
import { FEWEST_ROWS, type DecodingBatch, type PrefilledPrompt } from './batch'
import { embed, prefill } from './prefill'

/** What a run is computed with. */
export interface DecodingModel {
  readonly config: ModelConfig
  readonly weights: HeldWeights
  readonly prefillSession: Session
  readonly stepSession: Session
  /** Tables, which both sessions read. */
  readonly constants: Feeds
  /** Weights that the decoding graph does not hold. */
  readonly fed: Feeds
  /** Where a prefill's results stand. */
  readonly prefilled: Scratch
}

export interface DecodingRoom {
  /** Most completions at once. */
  readonly rows: number
  /** Most candidates of one prompt at once. */
  readonly cells: number
  /** Most prompts at once. */
  readonly prompts: number
}

export interface DecodingHooks {
  /** Asked between steps; whatever it throws ends the run. */
  readonly checkAborted?: () => void
  /** Called with each completion that goes on, once it has a token more. */
  readonly onStep?: (completion: Completion) => void
  /** Sees the logits before each token is chosen from them; they are only valid during the call. */
  readonly onLogits?: (completion: Completion, logits: Float32Array) => void
}

/** Decoding that is continuous: a fixed number of rows, each holding one completion, and when one ends the next takes its row. */
export class ContinuousRows implements DecodingRows {
  steps = 0
  rowSteps = 0
  promptTokens = 0
  private readonly open: PrefilledPrompt[] = []
  private readonly outputs: ReturnType<typeof stepOutputs>

  /** @param queue the prompts, in the order they are taken; it is emptied. */
  constructor(
    private readonly model: DecodingModel,
    private readonly rules: CompletionRules,
    private readonly batch: DecodingBatch,
    private readonly room: DecodingRoom,
    private readonly queue: GenerationPrompt[],
    private readonly hooks: DecodingHooks,
  ) {
    this.outputs = stepOutputs(model.config, Math.max(FEWEST_ROWS, room.rows))
  }

  get alive(): number {
    return this.batch.rows.length
  }

  async begin(): Promise<Turn | undefined> {
    const { batch } = this
    if (batch.rows.length >= this.room.rows) return undefined
    const prompt = await this.nextPrompt()
    if (prompt === undefined) return undefined
    const completion = new Completion(this.rules, prompt.id, prompt.waiting.shift()!, prompt.length)
    return {
      due: 1,
      next: () => this.choose(completion, prompt.logits),
      settle: (ended) => {
        if (ended.length === 0) batch.add({ prompt, completion, length: 0 })
      },
    }
  }

  async pause(): Promise<void> {
    // The native call blocks this thread: messages are read between steps.
    await new Promise(setImmediate)
    this.hooks.checkAborted?.()
  }

  async step(): Promise<Turn> {
    const { batch } = this
    const { config, weights, constants, fed, stepSession } = this.model
    const tokens = new Int32Array(batch.height)
    for (const [index, { completion }] of batch.rows.entries()) tokens[index] = completion.tokens[completion.tokens.length - 1]!
    const { logits, entries } = this.outputs(batch.height)
    await stepSession.run({ ...constants, ...fed, ...batch.feeds(), x: embed(config, weights, tokens) }, { logits, entries })
    this.steps++
    this.rowSteps += batch.rows.length
    batch.store(entries.data)
    return {
      due: batch.rows.length,
      next: (row) => this.choose(batch.rows[row]!.completion, logits.data.subarray(row * config.vocabSize, (row + 1) * config.vocabSize)),
      settle: (ended) => {
        // The last row moves into the place of one that is removed.
        for (const row of [...ended].reverse()) batch.remove(row)
      },
    }
  }

  private choose(completion: Completion, logits: Float32Array): Generation | undefined {
    this.hooks.onLogits?.(completion, logits)
    const done = completion.next(logits)
    if (done === undefined) this.hooks.onStep?.(completion)
    return done
  }

  /** A prompt with a candidate that may begin; undefined when nothing is left or the prompts are too many. */
  private async nextPrompt(): Promise<PrefilledPrompt | undefined> {
    const { batch, open, room } = this
    const known = open.find((one) => one.waiting.length > 0 && batch.active(one) < room.cells)
    if (known !== undefined) return known
    for (let i = open.length - 1; i >= 0; i--) if (open[i]!.waiting.length === 0 && batch.active(open[i]!) === 0) open.splice(i, 1)
    if (open.length >= room.prompts) return undefined
    const next = this.queue.shift()
    if (next === undefined) return undefined
    const { config, weights, prefillSession, constants, prefilled } = this.model
    const [prompt] = await prefill(prefillSession, config, weights, constants, [next], prefilled)
    this.promptTokens += next.prompt.length
    open.push(prompt!)
    return prompt
  }
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
