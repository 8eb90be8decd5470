import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  loraModules,
  type AdamWOptions,
  type Backend,
  type ModelSource,
  type Objective,
  type Policy,
  type TokenGroup,
  type TrainingPlan,
} from '@plumbline/core'
import {
  initialAdapter,
  linearModules,
  mergedWeights,
  openModelFolder,
  readAdapter,
  readModelFolder,
  requireSameAdapter,
  scalingOf,
  weightOf,
  wordLevelTokenizerConfig,
  wordLevelTokenizerJson,
  writeAdapter,
  writeModel,
  type Adapter,
  type OpenModelFolder,
  type Weights,
} from '@plumbline/transformer'

/** A step of this is the gradient itself: the first update of AdamW is η·g / (|g| + ε). */
const DESCENT: AdamWOptions = { learningRate: 1e6, betas: [0.9, 0.999], epsilon: 1e6, weightDecay: 0 }

type Moments = Record<string, { value: number[]; gradient: number[]; mean: number[]; variance: number[] }>

/**
 * LoRA without an engine for it: every step trains W + s·B·A as a whole, takes its gradient G, and gives A s·Bᵀ·G and B s·G·Aᵀ (the chain rule).
 * Slow, and nothing but the definition: what tests of an engine ask for is shown to be attainable on it.
 */
export class ReferenceLora implements Pick<Policy, 'logProbs' | 'optimStep' | 'saveAdapter' | 'saveState' | 'loadState' | 'dispose'> {
  private readonly folder = mkdtempSync(join(tmpdir(), 'plumbline-reference-'))
  private adapter: Adapter
  private factors: Moments
  private steps = 0

  private constructor(
    private readonly backend: Backend,
    private readonly base: OpenModelFolder,
    adapter: Adapter,
  ) {
    this.adapter = adapter
    this.factors = momentsOf(adapter)
  }

  static async open(backend: Backend, source: ModelSource, { lora }: TrainingPlan): Promise<ReferenceLora> {
    if (lora === undefined || lora.dropout > 0) throw new Error('the reference trains an adapter without dropout')
    const own = source.kind === 'adapter' ? source.base : source
    if (own.kind !== 'folder') throw new Error('the reference needs a folder')
    const base = await openModelFolder(own.path)
    const modules = loraModules(lora, linearModules(base.config))
    if (source.kind !== 'adapter') return new ReferenceLora(backend, base, initialAdapter(lora, modules))
    const adapter = await readAdapter(source.path, base.config)
    requireSameAdapter(adapter, lora, modules, 'lora')
    return new ReferenceLora(backend, base, adapter)
  }

  logProbs(groups: readonly TokenGroup[]) {
    return this.withMerged((policy) => policy.logProbs(groups))
  }

  forwardBackward(groups: readonly TokenGroup[], objective: Objective): Promise<{ readonly loss: number }> {
    return this.withMerged(async (policy, before) => {
      const report = await policy.forwardBackward(groups, objective)
      await policy.optimStep(DESCENT)
      const after = join(this.folder, 'after')
      await policy.saveWeights(after)
      this.accumulate(before, (await readModelFolder(after)).weights)
      return report
    })
  }

  async optimStep({ learningRate, betas: [b1, b2], epsilon, weightDecay, maxGradNorm = Infinity }: AdamWOptions) {
    const all = Object.values(this.factors)
    const gradNorm = Math.sqrt(all.reduce((sum, { gradient }) => sum + gradient.reduce((part, g) => part + g * g, 0), 0))
    const scale = Math.min(1, maxGradNorm / (gradNorm + 1e-6))
    this.steps++
    for (const { value, gradient, mean, variance } of all) {
      for (const i of value.keys()) {
        const g = gradient[i]! * scale
        mean[i] = b1 * mean[i]! + (1 - b1) * g
        variance[i] = b2 * variance[i]! + (1 - b2) * g * g
        const step = mean[i] / (1 - b1 ** this.steps) / (Math.sqrt(variance[i] / (1 - b2 ** this.steps)) + epsilon)
        value[i]! -= learningRate * (step + weightDecay * value[i]!)
      }
      gradient.fill(0)
    }
    this.settle()
    return { gradNorm }
  }

  saveAdapter(folder: string): Promise<void> {
    return writeAdapter(folder, this.adapter)
  }

  async saveState(folder: string): Promise<void> {
    writeFileSync(`${folder}.json`, JSON.stringify({ steps: this.steps, factors: this.factors }))
  }

  async loadState(folder: string): Promise<void> {
    const { steps, factors } = JSON.parse(readFileSync(`${folder}.json`, 'utf8')) as { steps: number; factors: Moments }
    Object.assign(this, { steps, factors })
    this.settle()
  }

  async dispose(): Promise<void> {
    rmSync(this.folder, { recursive: true })
  }

  /** The factors as float32, from the numbers that are trained. */
  private settle(): void {
    const factors = [...this.adapter.factors].map(([module, { A, B }]) => {
      const data = (factor: string) => Float32Array.from(this.factors[`${module}.${factor}`]!.value)
      return [module, { A: { ...A, data: data('A') }, B: { ...B, data: data('B') } }] as const
    })
    this.adapter = { ...this.adapter, factors: new Map(factors) }
  }

  private async withMerged<T>(use: (policy: Policy, weights: Weights) => Promise<T>): Promise<T> {
    const path = join(this.folder, 'merged')
    await writeModel(
      path,
      { ...this.base, weights: mergedWeights(this.base.weights, this.adapter) },
      { dtype: 'float32', extra: tokenizerFiles(this.base.config.vocabSize) },
    )
    const policy = await this.backend.open({ kind: 'folder', path })
    try {
      return await use(policy, (await readModelFolder(path)).weights)
    } finally {
      await policy.dispose()
    }
  }

  private accumulate(before: Weights, after: Weights): void {
    const scaling = scalingOf(this.adapter.config)
    for (const [module, { A, B }] of this.adapter.factors) {
      const [rank, inFeatures] = A.shape as readonly [number, number]
      const [w, moved] = [before.get(weightOf(module))!, after.get(weightOf(module))!]
      const { [`${module}.A`]: a, [`${module}.B`]: b } = this.factors
      for (let o = 0; o < w.shape[0]!; o++) {
        for (let i = 0; i < inFeatures; i++) {
          const g = scaling * (w.data[o * inFeatures + i]! - moved.data[o * inFeatures + i]!)
          for (let r = 0; r < rank; r++) {
            a!.gradient[r * inFeatures + i]! += B.data[o * rank + r]! * g
            b!.gradient[o * rank + r]! += g * A.data[r * inFeatures + i]!
          }
        }
      }
    }
  }
}

/** A tokenizer with the right number of tokens, which these models have no use for. */
export function tokenizerFiles(size: number): Map<string, string> {
  const special = 4
  const words = Array.from({ length: size - special }, (_, i) => `w${i}`)
  return new Map([
    ['tokenizer.json', JSON.stringify(wordLevelTokenizerJson(words))],
    ['tokenizer_config.json', JSON.stringify(wordLevelTokenizerConfig())],
  ])
}

function momentsOf({ factors }: Adapter): Moments {
  const entries = [...factors].flatMap(([module, { A, B }]) => [[`${module}.A`, A.data], [`${module}.B`, B.data]] as const) // prettier-ignore
  return Object.fromEntries(
    entries.map(([name, data]) => {
      const zeros = () => Array.from(data, () => 0)
      return [name, { value: Array.from(data), gradient: zeros(), mean: zeros(), variance: zeros() }]
    }),
  )
}
