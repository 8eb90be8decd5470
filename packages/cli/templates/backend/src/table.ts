import type { AdamWOptions } from '@plumbline/core'

/** The numbers of the model: p(next | previous) = softmax(W[previous])[next], its gradient, and AdamW over it. */
export class Table {
  gradient: Float64Array
  first: Float64Array
  second: Float64Array
  steps = 0

  constructor(
    public weights: Float64Array,
    readonly size: number,
  ) {
    this.gradient = new Float64Array(weights.length)
    this.first = new Float64Array(weights.length)
    this.second = new Float64Array(weights.length)
  }

  /** p(· | previous), [size]. */
  distribution(previous: number, temperature = 1): Float64Array {
    const logits = this.weights.slice(previous * this.size, (previous + 1) * this.size).map((w) => w / temperature)
    const top = logits.reduce((a, b) => Math.max(a, b), -Infinity)
    const weights = logits.map((logit) => Math.exp(logit - top))
    const sum = weights.reduce((a, b) => a + b, 0)
    return weights.map((weight) => weight / sum)
  }

  /** Adds cotangent · ∂ log p(next | previous) / ∂W: for W[previous], 1[next] − p(· | previous). */
  accumulate(previous: number, next: number, cotangent: number): void {
    if (cotangent === 0) return
    const row = previous * this.size
    for (const [token, p] of this.distribution(previous).entries()) {
      this.gradient[row + token]! += cotangent * ((token === next ? 1 : 0) - p)
    }
  }

  norm(): number {
    return Math.sqrt(this.gradient.reduce((sum, g) => sum + g * g, 0))
  }

  /** AdamW as PyTorch defines it. `scale` is what clipping leaves of the gradient. */
  step({ learningRate, betas: [b1, b2], epsilon, weightDecay }: AdamWOptions, scale: number): void {
    this.steps++
    for (let i = 0; i < this.weights.length; i++) {
      const g = this.gradient[i]! * scale
      const m = (this.first[i] = b1 * this.first[i]! + (1 - b1) * g)
      const v = (this.second[i] = b2 * this.second[i]! + (1 - b2) * g * g)
      const update = m / (1 - b1 ** this.steps) / (Math.sqrt(v / (1 - b2 ** this.steps)) + epsilon)
      this.weights[i]! -= learningRate * (update + weightDecay * this.weights[i]!)
    }
    this.gradient.fill(0)
  }
}
