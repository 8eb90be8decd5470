import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setImmediate as tick } from 'node:timers/promises'
import {
  frozenParameters,
  loraModules,
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
  type TrainingPlan,
} from '../../src'
import type { WordTokenizer } from './word-tokenizer'

/**
 * An exact little policy: a bigram model, p(next | previous) = softmax(W[previous])[next], in double precision, with closed-form
 * gradients and plain AdamW. It keeps the whole contract of `Policy`, so that stages can be tested without an engine.
 */
export class BigramPolicy implements Policy {
  readonly info: PolicyInfo
  private gradient: Float64Array
  private first: Float64Array
  private second: Float64Array
  private steps = 0
  /** Whether each row of the weights is trained. */
  private trained: readonly boolean[]
  /** What is trained in the place of the weights; W is then `base` + s·B·A. */
  private adapter: BigramAdapter | undefined
  private readonly base: Float64Array

  constructor(
    private weights: Float64Array,
    readonly tokenizer: WordTokenizer,
    private readonly words: readonly string[],
    private readonly options: { readonly microBatch: number; readonly contextLength: number },
    adapter?: BigramAdapter,
  ) {
    this.base = weights
    this.adapter = adapter
    this.weights = merged(weights, adapter)
    const size = tokenizer.vocabularySize
    this.info = {
      engine: 'bigram',
      architecture: 'bigram',
      parameters: size * size,
      contextLength: options.contextLength,
      vocabularySize: size,
    }
    this.trained = Array.from({ length: size }, () => true)
    this.gradient = new Float64Array(weights.length)
    this.first = new Float64Array(weights.length)
    this.second = new Float64Array(weights.length)
  }

  async logProbs(groups: readonly TokenGroup[]): Promise<TokenLogProbs[][]> {
    await tick()
    return groups.map((group) => this.score(group))
  }

  async forwardBackward(groups: readonly TokenGroup[], objective: Objective, { signal }: StepOptions = {}): Promise<ForwardBackwardReport> {
    let loss = 0
    let completionTokens = 0
    let microBatches = 0
    const metrics: Record<string, number> = {}
    try {
      for (let start = 0; start < groups.length; start += this.options.microBatch) {
        await tick()
        signal?.throwIfAborted()
        const batch = groups.slice(start, start + this.options.microBatch)
        const scored = batch.map((group, n) => ({ index: start + n, tokenLogProbs: this.score(group) }))
        const result = objective(scored)
        if (!Number.isFinite(result.loss)) throw new PlumbError('PLUMB_NON_FINITE_LOSS', `The loss is ${result.loss}.`, batch[0]!.id)
        loss += result.loss
        for (const [name, value] of Object.entries(result.metrics ?? {})) metrics[name] = (metrics[name] ?? 0) + value
        batch.forEach((group, n) => {
          group.completions.forEach((completion, c) => {
            if (scored[n]!.tokenLogProbs[c]) completionTokens += completion.length
            this.backward(group.prompt, completion, result.cotangents[n]![c]!)
          })
        })
        microBatches++
      }
    } catch (error) {
      this.gradient.fill(0)
      throw error
    }
    return { loss, metrics, completionTokens, computedTokens: completionTokens, microBatches }
  }

  async prepareTraining({ freeze = [], lora }: TrainingPlan): Promise<void> {
    if (lora === undefined) this.adapter = undefined
    else {
      const size = this.info.vocabularySize
      loraModules(lora, linearModules(size))
      const { rank, alpha, rslora, seed } = lora
      const scale = alpha / (rslora ? Math.sqrt(rank) : rank)
      const given = this.adapter
      if (given !== undefined && (given.rank !== rank || given.scale !== scale)) {
        throw new PlumbError('PLUMB_ADAPTER_DIFFERS', 'The model has an adapter of another rank or scale.')
      }
      const uniform = randomStreams(seed)('A')
      const A = Float64Array.from({ length: rank * size }, () => (2 * uniform() - 1) / Math.sqrt(size))
      this.adapter = given ?? { rank, scale, A, B: new Float64Array(size * rank) }
    }
    this.weights = merged(this.base, this.adapter)
    this.first = new Float64Array(this.parameters.length)
    this.second = new Float64Array(this.parameters.length)
    const names = parameterNames(this.info.vocabularySize)
    const frozen = frozenParameters(freeze, names)
    this.trained = names.map((name) => !frozen.has(name))
  }

  async optimStep({ learningRate, betas, epsilon, weightDecay, maxGradNorm }: AdamWOptions): Promise<OptimStepReport> {
    await tick()
    const size = this.info.vocabularySize
    this.gradient.forEach((_, i) => {
      if (!this.trained[Math.floor(i / size)]) this.gradient[i] = 0
    })
    const gradient = this.adapter ? factorGradients(this.adapter, this.gradient, size) : this.gradient
    const gradNorm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0))
    if (!Number.isFinite(gradNorm)) {
      this.gradient.fill(0)
      throw new PlumbError('PLUMB_NON_FINITE_GRADIENT', `The gradient's norm is ${gradNorm}.`)
    }
    const scale = maxGradNorm === undefined ? 1 : Math.min(1, maxGradNorm / (gradNorm + 1e-6))
    this.steps++
    const [b1, b2] = betas
    const { parameters } = this
    for (let i = 0; i < parameters.length; i++) {
      if (!this.adapter && !this.trained[Math.floor(i / size)]) continue
      const g = gradient[i]! * scale
      this.first[i] = b1 * this.first[i]! + (1 - b1) * g
      this.second[i] = b2 * this.second[i]! + (1 - b2) * g * g
      const step = this.first[i]! / (1 - b1 ** this.steps) / (Math.sqrt(this.second[i]! / (1 - b2 ** this.steps)) + epsilon)
      parameters[i]! -= learningRate * (step + weightDecay * parameters[i]!)
    }
    this.parameters = parameters
    this.gradient.fill(0)
    return { gradNorm }
  }

  async *generate(prompts: readonly GenerationPrompt[], sampling: Sampling, { signal }: StepOptions = {}): AsyncIterable<Generation> {
    const jobs = prompts.flatMap(({ id, prompt, candidates }) => candidates.map((candidate) => ({ id, prompt, candidate })))
    jobs.sort((a, b) => b.candidate - a.candidate) // any order is allowed: not the asked one, so that nobody relies on it
    for (const { id, prompt, candidate } of jobs) {
      await tick()
      signal?.throwIfAborted()
      yield { id, candidate, ...this.complete(prompt, sampling, randomStreams(sampling.seed)('sample', id, candidate)) }
    }
  }

  async snapshot(): Promise<FrozenPolicy> {
    return new BigramPolicy(this.weights.slice(), this.tokenizer, this.words, this.options)
  }

  async saveWeights(folder: string): Promise<void> {
    await writeFolder(folder, {
      'config.json': JSON.stringify({ model_type: 'bigram', words: this.words }),
      'weights.bin': bytes(this.weights),
    })
  }

  async saveAdapter(folder: string): Promise<void> {
    if (this.adapter === undefined) throw new Error('there is no adapter')
    const { rank, scale } = this.adapter
    await writeFolder(folder, {
      'adapter_config.json': JSON.stringify({ peft_type: 'LORA', rank, scale }),
      'adapter_model.safetensors': bytes(this.parameters),
    })
  }

  /** What is trained: the weights, or A and B behind each other. */
  private get parameters(): Float64Array {
    return this.adapter ? Float64Array.of(...this.adapter.A, ...this.adapter.B) : this.weights
  }

  private set parameters(values: Float64Array) {
    if (this.adapter) {
      const { A } = this.adapter
      this.adapter = { ...this.adapter, A: values.slice(0, A.length), B: values.slice(A.length) }
      this.weights = merged(this.base, this.adapter)
    } else this.weights = values
  }

  async saveState(folder: string): Promise<void> {
    const state = [this.parameters, this.first, this.second, Float64Array.of(this.steps)].map(bytes)
    await writeFolder(folder, { 'state.bin': Buffer.concat(state) })
  }

  async loadState(folder: string): Promise<void> {
    const state = doubles(await readFile(path.join(folder, 'state.bin')))
    const n = this.parameters.length
    this.parameters = state.slice(0, n)
    this.first = state.slice(n, 2 * n)
    this.second = state.slice(2 * n, 3 * n)
    this.steps = state[3 * n]!
    this.gradient.fill(0)
  }

  async dispose(): Promise<void> {
    await tick()
  }

  private score({ prompt, completions, needed }: TokenGroup): TokenLogProbs[] {
    return completions.map((completion, c) => {
      if (needed && !needed[c]) return undefined
      let previous = prompt[prompt.length - 1]!
      return Float32Array.from(completion, (token) => {
        const logProb = Math.log(this.distribution(previous)[token]!)
        previous = token
        return logProb
      })
    })
  }

  /** ∂ log p(t | u) / ∂W[u] = 1[t] − p(· | u). */
  private backward(prompt: readonly number[], completion: readonly number[], cotangent: number | Float32Array): void {
    const size = this.info.vocabularySize
    let previous = prompt[prompt.length - 1]!
    completion.forEach((token, t) => {
      const weight = typeof cotangent === 'number' ? cotangent : cotangent[t]!
      if (weight !== 0) {
        const row = previous * size
        this.distribution(previous).forEach((p, v) => (this.gradient[row + v]! -= weight * p))
        this.gradient[row + token]! += weight
      }
      previous = token
    })
  }

  private distribution(previous: number, temperature = 1): Float64Array {
    const size = this.info.vocabularySize
    const logits = this.weights.subarray(previous * size, (previous + 1) * size).map((w) => w / temperature)
    const top = Math.max(...logits)
    const weights = logits.map((l) => Math.exp(l - top))
    const sum = weights.reduce((a, b) => a + b, 0)
    return weights.map((w) => w / sum)
  }

  private complete(prompt: readonly number[], sampling: Sampling, uniform: () => number): Pick<Generation, 'tokens' | 'text' | 'finish'> {
    const { temperature, maxNewTokens, stop = [], endTokens = [] } = sampling
    const room = Math.min(maxNewTokens, this.options.contextLength - prompt.length)
    const tokens: number[] = []
    let previous = prompt[prompt.length - 1]!
    while (tokens.length < room) {
      const p = truncate(this.distribution(previous, temperature || 1), sampling)
      previous = temperature === 0 ? p.indexOf(Math.max(...p)) : draw(p, uniform())
      tokens.push(previous)
      const text = this.tokenizer.decode(tokens)
      if (previous === this.tokenizer.eosId || endTokens.includes(previous)) {
        return { tokens, text: this.tokenizer.decode(tokens.slice(0, -1)), finish: 'eos' }
      }
      const cut = stop.map((s) => text.indexOf(s)).filter((at) => at >= 0)
      if (cut.length > 0) return { tokens, text: text.slice(0, Math.min(...cut)), finish: 'stop' }
    }
    return { tokens, text: this.tokenizer.decode(tokens), finish: 'length' }
  }
}

/** Factors of a bigram model's table: A [rank, size], B [size, rank]. */
export interface BigramAdapter {
  readonly rank: number
  readonly scale: number
  readonly A: Float64Array
  readonly B: Float64Array
}

/** W + s·B·A. */
function merged(weights: Float64Array, adapter: BigramAdapter | undefined): Float64Array {
  if (adapter === undefined) return weights.slice()
  const { rank, scale, A, B } = adapter
  const size = A.length / rank
  return weights.map((w, i) => {
    const [row, column] = [Math.floor(i / size), i % size]
    let product = 0
    for (let r = 0; r < rank; r++) product += B[row * rank + r]! * A[r * size + column]!
    return w + scale * product
  })
}

/** ∂/∂A = s·Bᵀ·G and ∂/∂B = s·G·Aᵀ, behind each other. */
function factorGradients({ rank, scale, A, B }: BigramAdapter, G: Float64Array, size: number): Float64Array {
  const gradient = new Float64Array(2 * rank * size)
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const g = scale * G[row * size + column]!
      for (let r = 0; r < rank; r++) {
        gradient[r * size + column]! += B[row * rank + r]! * g
        gradient[rank * size + row * rank + r]! += g * A[r * size + column]!
      }
    }
  }
  return gradient
}

export const linearModules = (size: number) => [{ name: 'model.table', inFeatures: size, outFeatures: size }]

/** One parameter for each row: what follows a token. */
export const parameterNames = (size: number) => Array.from({ length: size }, (_, token) => `rows.${token}.weight`)

/** Keeps the `topK` likeliest tokens, and of these the fewest whose probability reaches `topP`. */
function truncate(p: Float64Array, { topK = 0, topP = 1 }: Sampling): Float64Array {
  const ranked = [...p.keys()].sort((a, b) => p[b]! - p[a]!).slice(0, topK || p.length)
  let reached = 0
  const kept = ranked.filter((v) => {
    const open = reached < topP
    reached += p[v]!
    return open
  })
  const sum = kept.reduce((total, v) => total + p[v]!, 0)
  return p.map((value, v) => (kept.includes(v) ? value / sum : 0))
}

function draw(p: Float64Array, u: number): number {
  let sum = 0
  for (let v = 0; v < p.length; v++) {
    sum += p[v]!
    if (u < sum) return v
  }
  return p.length - 1
}

export const bytes = (values: Float64Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength)

export function doubles(buffer: Buffer): Float64Array {
  return new Float64Array(new Uint8Array(buffer).buffer)
}

async function writeFolder(folder: string, files: Readonly<Record<string, string | Buffer>>): Promise<void> {
  const unfinished = `${folder}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true })
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(unfinished, name), content)
  await rm(folder, { recursive: true, force: true })
  await rename(unfinished, folder)
}
