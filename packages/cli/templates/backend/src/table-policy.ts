import { join } from 'node:path'
import { setImmediate as nextTick } from 'node:timers/promises'
import {
  PlumbError,
  randomStreams,
  type AdamWOptions,
  type ForwardBackwardReport,
  type FrozenPolicy,
  type Generation,
  type GenerationPrompt,
  type Objective,
  type OptimStepReport,
  type Policy,
  type PolicyInfo,
  type Sampling,
  type StepOptions,
  type TokenGroup,
  type TokenLogProbs,
} from '@plumbline/core'
import { choose } from './choose'
import { readNumbers, writeFolder } from './files'
import { Table } from './table'
import type { CharacterTokenizer } from './tokenizer'

export const CONTEXT_LENGTH = 512

/** One open model. The methods stand in the order in which one writes them; the suite's checks come in the same order. */
export class TablePolicy implements Policy {
  readonly info: PolicyInfo

  constructor(
    private readonly table: Table,
    readonly tokenizer: CharacterTokenizer,
    private readonly groupsAtOnce: number,
  ) {
    this.info = {
      engine: 'template-name (CPU, 1 thread)',
      architecture: 'table',
      parameters: table.weights.length,
      contextLength: CONTEXT_LENGTH,
      vocabularySize: table.size,
    }
  }

  // Step 3: score. Assessment and references need nothing else.

  async logProbs(groups: readonly TokenGroup[]): Promise<TokenLogProbs[][]> {
    await nextTick()
    return groups.map((group) => this.score(group))
  }

  private score({ prompt, completions, needed }: TokenGroup): TokenLogProbs[] {
    return completions.map((completion, c) => {
      if (needed?.[c] === false) return undefined
      return Float32Array.from(completion, (token, t) => Math.log(this.table.distribution(before(prompt, completion, t))[token]!))
    })
  }

  // Step 4: train. The objective gives the loss and ∂loss/∂log-prob; what comes before the log-probs is the backend's.

  async forwardBackward(groups: readonly TokenGroup[], objective: Objective, { signal }: StepOptions = {}): Promise<ForwardBackwardReport> {
    const metrics: Record<string, number> = {}
    let [loss, completionTokens, microBatches] = [0, 0, 0]
    try {
      for (let start = 0; start < groups.length; start += this.groupsAtOnce, microBatches++) {
        await nextTick()
        signal?.throwIfAborted()
        const batch = groups.slice(start, start + this.groupsAtOnce)
        const scored = batch.map((group, n) => ({ index: start + n, tokenLogProbs: this.score(group) }))
        const result = objective(scored)
        if (!Number.isFinite(result.loss)) throw new PlumbError('PLUMB_NON_FINITE_LOSS', `The loss is ${result.loss}.`, batch[0]?.id)
        loss += result.loss
        for (const [name, value] of Object.entries(result.metrics ?? {})) metrics[name] = (metrics[name] ?? 0) + value
        for (const [n, { prompt, completions }] of batch.entries()) {
          for (const [c, completion] of completions.entries()) {
            if (scored[n]?.tokenLogProbs[c] === undefined) continue
            completionTokens += completion.length
            const cotangent = result.cotangents[n]![c]!
            for (const [t, token] of completion.entries()) {
              this.table.accumulate(before(prompt, completion, t), token, typeof cotangent === 'number' ? cotangent : cotangent[t]!)
            }
          }
        }
      }
    } catch (error) {
      this.table.gradient.fill(0) // half a gradient is worse than none
      throw error
    }
    return { loss, metrics, completionTokens, computedTokens: completionTokens, microBatches }
  }

  async optimStep(options: AdamWOptions): Promise<OptimStepReport> {
    const { table } = this
    const gradNorm = table.norm()
    if (!Number.isFinite(gradNorm)) {
      table.gradient.fill(0)
      throw new PlumbError('PLUMB_NON_FINITE_GRADIENT', `The gradient's norm is ${gradNorm}.`)
    }
    const { maxGradNorm = Infinity } = options
    table.step(options, Math.min(1, maxGradNorm / (gradNorm + 1e-6)))
    return { gradNorm }
  }

  // Step 5: save, load, freeze. `saveState` is what makes a killed run go on to the same bits.

  async saveWeights(folder: string): Promise<void> {
    await writeFolder(folder, { 'config.json': JSON.stringify({ model_type: 'table' }), 'weights.bin': this.table.weights })
  }

  async saveState(folder: string): Promise<void> {
    const { weights, first, second, steps } = this.table
    await writeFolder(folder, { 'state.bin': Float64Array.of(...weights, ...first, ...second, steps) })
  }

  async loadState(folder: string): Promise<void> {
    const { table } = this
    const n = table.weights.length
    const state = await readNumbers(join(folder, 'state.bin'), 3 * n + 1)
    table.weights = state.slice(0, n)
    table.first = state.slice(n, 2 * n)
    table.second = state.slice(2 * n, 3 * n)
    table.steps = state[3 * n]!
    table.gradient.fill(0)
  }

  async snapshot(): Promise<FrozenPolicy> {
    return new TablePolicy(new Table(this.table.weights.slice(), this.table.size), this.tokenizer, this.groupsAtOnce)
  }

  // Step 6: sample. A candidate's random stream is keyed by seed, prompt and candidate: never by its place in the batch.

  async *generate(prompts: readonly GenerationPrompt[], sampling: Sampling, { signal }: StepOptions = {}): AsyncGenerator<Generation> {
    for (const { id, prompt, candidates } of prompts) {
      for (const candidate of candidates) {
        await nextTick()
        signal?.throwIfAborted()
        yield { id, candidate, ...this.complete(prompt, sampling, randomStreams(sampling.seed)('sample', id, candidate)) }
      }
    }
  }

  private complete(prompt: readonly number[], sampling: Sampling, uniform: () => number): Pick<Generation, 'tokens' | 'text' | 'finish'> {
    const { temperature, maxNewTokens, stop = [], endTokens = [] } = sampling
    const ends = new Set([this.tokenizer.eosId, ...endTokens])
    const tokens: number[] = []
    while (tokens.length < Math.min(maxNewTokens, CONTEXT_LENGTH - prompt.length)) {
      const p = this.table.distribution(before(prompt, tokens, tokens.length), temperature || 1)
      const token = choose(p, sampling, uniform)
      tokens.push(token)
      if (ends.has(token)) return { tokens, text: this.tokenizer.decode(tokens.slice(0, -1)), finish: 'eos' }
      const text = this.tokenizer.decode(tokens)
      const cuts = stop.map((each) => text.indexOf(each)).filter((at) => at >= 0)
      if (cuts.length > 0) return { tokens, text: text.slice(0, Math.min(...cuts)), finish: 'stop' }
    }
    return { tokens, text: this.tokenizer.decode(tokens), finish: 'length' }
  }

  async dispose(): Promise<void> {
    await nextTick() // a real engine gives its memory back here
  }
}

/** The token before the t-th of a completion. */
function before(prompt: readonly number[], completion: readonly number[], t: number): number {
  return (t === 0 ? prompt.at(-1) : completion[t - 1])!
}
