import * as tf from '@tensorflow/tfjs-core'
import type { AdamWOptions } from '@plumbline/core'
import {
  adamWScalars,
  gradientNorm,
  nonFiniteWeights,
  type AdamWScalars,
  type TrainingState,
  type Weights,
  type WeightTensor,
} from '@plumbline/transformer'
import type { Engine } from './engine'
import type { TensorMap } from './scoring'

/** Weights, accumulated gradients and moments on the device. A tensor never changes: a step replaces it, so a copy is a second handle. */
export class Parameters {
  private weights: Map<string, tf.Tensor>
  private means = new Map<string, tf.Tensor>()
  private variances = new Map<string, tf.Tensor>()
  private gradients = new Map<string, tf.Tensor>()
  private steps = 0
  /** Names of factors, which alone are trained and saved where there are any. */
  private factors: readonly string[] = []
  private frozenNames: ReadonlySet<string> = new Set()

  constructor(
    private readonly engine: Engine,
    weights: Weights,
  ) {
    this.weights = this.upload(weights)
  }

  get tensors(): TensorMap {
    return this.weights
  }

  /** Names of parameters that are not trained. */
  get frozen(): ReadonlySet<string> {
    return this.frozenNames
  }

  /** Before anything is trained. */
  freeze(names: ReadonlySet<string>): void {
    this.frozenNames = names
  }

  /** Optimizer steps taken. */
  get step(): number {
    return this.steps
  }

  /** Puts factors beside the weights, which are no longer trained: those of `replaced` take the place of today's. */
  adapt(factors: Weights, replaced: Weights): void {
    this.frozenNames = new Set(this.weights.keys())
    for (const [name, tensor] of this.upload(replaced)) {
      this.weights.get(name)!.dispose()
      this.weights.set(name, tensor)
    }
    this.factors = [...factors.keys()]
    for (const [name, tensor] of this.upload(factors)) this.weights.set(name, tensor)
  }

  /** Names of those that are trained, in the order of `tensors`. */
  get trained(): readonly string[] {
    return [...this.weights.keys()].filter((name) => !this.frozenNames.has(name))
  }

  /** Today's weights under handles of their own; the caller's to free. */
  copy(): TensorMap {
    const clones = this.engine.run(() => [...this.weights.values()].map((tensor) => tf.clone(tensor)))
    return new Map([...this.weights.keys()].map((name, i) => [name, clones[i]!]))
  }

  /** Adds gradients, given in the order of `trained`, and frees them. */
  accumulate(gradients: readonly tf.Tensor[]): void {
    for (const [i, name] of this.trained.entries()) {
      const sum = this.gradients.get(name)
      this.gradients.set(name, sum ? this.engine.run(() => tf.add(sum, gradients[i]!)) : gradients[i]!)
      if (sum) tf.dispose([sum, gradients[i]])
    }
  }

  dropGradients(): void {
    tf.dispose([...this.gradients.values()])
    this.gradients.clear()
  }

  /**
   * Clips by the global norm and applies AdamW (see `adamWScalars`); the gradients are cleared.
   *
   * @returns the gradients' L2 norm before clipping.
   * @throws PlumbError PLUMB_NON_FINITE_GRADIENT; weights and moments are then unchanged. PLUMB_NON_FINITE_WEIGHTS when the step itself
   *   went beyond float32; the weights are then not to be used.
   */
  async adamW(options: AdamWOptions): Promise<number> {
    const names = [...this.gradients.keys()]
    const norms = () => tf.stack(names.map((name) => tf.sum(tf.square(this.gradients.get(name)!))))
    const squares = names.length > 0 ? [...(await this.engine.read(this.engine.run(norms)))] : []
    const gradNorm = this.normOf(new Map(names.map((name, i) => [name, squares[i]!])))
    this.steps++
    const scalars = adamWScalars(options, gradNorm, this.steps)
    for (const name of this.trained) this.update(name, scalars)
    this.dropGradients()
    const broken = await this.nonFinite()
    if (broken.length > 0) throw nonFiniteWeights(broken, options, this.steps)
    return gradNorm
  }

  /** Names of trained parameters whose weights or second moments are not finite. */
  private async nonFinite(): Promise<string[]> {
    const isBad = (tensor: tf.Tensor) => tf.any(tf.logicalNot(tf.isFinite(tensor)))
    const flags = this.engine.run(() =>
      tf.stack(
        this.trained.map((name) => tf.cast(tf.logicalOr(isBad(this.weights.get(name)!), isBad(this.variances.get(name)!)), 'float32')),
      ),
    )
    const found = await this.engine.read(flags)
    return this.trained.filter((_, i) => found[i] !== 0)
  }

  private normOf(squares: ReadonlyMap<string, number>): number {
    try {
      return gradientNorm(squares)
    } catch (error) {
      this.dropGradients()
      throw error
    }
  }

  private update(name: string, { clip, keep1, beta2, keep2, stepSize, unbias, epsilon, decay }: AdamWScalars): void {
    const weight = this.weights.get(name)!
    const [newWeight, newMean, newVariance] = this.engine.run((): [tf.Tensor, tf.Tensor, tf.Tensor] => {
      const zeros = tf.zerosLike(weight)
      const mean = this.means.get(name) ?? zeros
      const variance = this.variances.get(name) ?? zeros
      const gradient = tf.mul(this.gradients.get(name) ?? zeros, clip)
      const m = tf.add(mean, tf.mul(tf.sub(gradient, mean), keep1))
      const v = tf.add(tf.mul(variance, beta2), tf.mul(tf.square(gradient), keep2))
      const move = tf.mul(tf.div(m, tf.add(tf.mul(tf.sqrt(v), unbias), epsilon)), stepSize)
      return [tf.sub(tf.mul(weight, decay(weight.rank)), move), m, v]
    })
    tf.dispose([weight, this.means.get(name), this.variances.get(name)].filter((tensor) => tensor !== undefined))
    this.weights.set(name, newWeight)
    this.means.set(name, newMean)
    this.variances.set(name, newVariance)
  }

  /** Without factors. */
  async downloadWeights(): Promise<Weights> {
    return this.download(
      this.weights,
      [...this.weights.keys()].filter((name) => !this.factors.includes(name)),
    )
  }

  async downloadFactors(): Promise<Weights> {
    return this.download(this.weights, this.factors)
  }

  async downloadState(): Promise<TrainingState> {
    const [weight, mean, variance] = [
      this.factors.length > 0 ? await this.downloadFactors() : await this.downloadWeights(),
      await this.download(this.means, this.trained),
      await this.download(this.variances, this.trained),
    ]
    return { weight, mean, variance, step: this.step }
  }

  /** Moments are zero before the first step. */
  private async download(from: TensorMap, names: readonly string[]): Promise<Weights> {
    const result = new Map<string, WeightTensor>()
    for (const name of names) {
      const { shape, size } = this.weights.get(name)!
      const tensor = from.get(name)
      result.set(name, { shape, data: tensor ? ((await tensor.data()) as Float32Array) : new Float32Array(size) })
    }
    return result
  }

  /** Puts a state in place of today's; accumulated gradients are dropped. Weights that it does not hold stay. */
  restore(state: TrainingState): void {
    const kept = [...this.weights].filter(([name]) => !state.weight.has(name))
    for (const [name] of kept) this.weights.delete(name)
    this.dispose()
    this.weights = new Map([...kept, ...this.upload(state.weight)])
    this.means = this.upload(state.mean)
    this.variances = this.upload(state.variance)
    this.steps = state.step
  }

  dispose(): void {
    this.dropGradients()
    for (const tensors of [this.weights, this.means, this.variances]) {
      tf.dispose([...tensors.values()])
      tensors.clear()
    }
  }

  private upload(weights: Weights): Map<string, tf.Tensor> {
    return new Map([...weights].map(([name, { shape, data }]) => [name, this.engine.run(() => tf.tensor(data, [...shape]))]))
  }
}
