import { PlumbError, type Sampling } from '@plumbline/core/base'
import { expNegative } from './exponential'
import { blocksAbove, kthLargest, nucleus } from './top'
import { BLOCK, WordWeights } from './weights'

/** The part of {@link Sampling} that says how one token is drawn. */
export type TokenSampling = Pick<Sampling, 'temperature' | 'topK' | 'topP'>

/**
 * Draws tokens from rows of logits: temperature, then top-k, then top-p, in the order and with the sets of the logits warpers of
 * `transformers`. Probabilities and their sums are float64. Holds scratch space for one vocabulary; a choice depends on its
 * arguments only.
 */
export class TokenChooser {
  private readonly weights: WordWeights
  /** Scratch: the tokens that top-k and top-p leave, ascending. */
  private readonly kept: Int32Array

  constructor(
    private readonly vocabularySize: number,
    private readonly sampling: TokenSampling,
  ) {
    this.weights = new WordWeights(vocabularySize)
    this.kept = new Int32Array(vocabularySize)
  }

  /** Whether tokens are drawn at random; `uniform` is not read otherwise. */
  get random(): boolean {
    return this.sampling.temperature > 0
  }

  /**
   * The id of the chosen token: the likeliest at temperature 0 (the lowest id on ties), else the one whose share of the unit
   * interval, laid out in the order of the ids, holds `uniform`.
   *
   * @param logits [vocabularySize]; −Infinity excludes a token
   * @param uniform in [0, 1)
   * @throws PlumbError PLUMB_NON_FINITE_LOGITS when a logit is NaN or +Infinity, or all are −Infinity.
   */
  choose(logits: Float32Array, uniform: number): number {
    const { weights, vocabularySize } = this
    weights.logits.set(logits)
    const largest = weights.largest()
    if (!Number.isFinite(largest)) throw nonFiniteLogits()
    if (!this.random) return logits.indexOf(largest, BLOCK * weights.maxima.indexOf(largest))
    const { temperature, topK = 0, topP = 1 } = this.sampling
    const limited = topK > 0 && topK < vocabularySize
    if (!limited && topP >= 1) return this.draw(vocabularySize, largest, uniform)
    const smallest = limited ? kthLargest(weights, vocabularySize, topK) : -Infinity
    const count = topP < 1 ? nucleus(weights, vocabularySize, largest, temperature, smallest, topP, this.kept) : this.keep(smallest)
    return this.kept[this.drawFromKept(count, largest, uniform)]!
  }

  /** The words that are not below `smallest`. @returns how many they are. */
  private keep(smallest: number): number {
    const { kept, vocabularySize, weights } = this
    const { logits, maxima } = weights
    let count = 0
    for (const [first, end] of blocksAbove(maxima, smallest, vocabularySize)) {
      for (let id = first; id < end; id++) if (logits[id]! >= smallest) kept[count++] = id
    }
    return count
  }

  /** @returns which of the kept ones. */
  private drawFromKept(count: number, largest: number, uniform: number): number {
    const { kept, weights } = this
    const { logits } = weights
    // They move to the front, in their order.
    for (let i = 0; i < count; i++) logits[i] = logits[kept[i]!]!
    logits.fill(-Infinity, count, BLOCK * Math.ceil(count / BLOCK))
    return this.draw(count, largest, uniform)
  }

  /** Of the first words, one by its weight: finds the block first, then the word in it, so that weights need not be stored. */
  private draw(words: number, largest: number, uniform: number): number {
    const { logits, sums } = this.weights
    const inverse = 1 / this.sampling.temperature
    const blocks = Math.ceil(words / BLOCK)
    const target = uniform * this.weights.weigh(blocks, largest, inverse)
    let [block, reached] = [0, 0]
    while (block < blocks - 1 && reached + sums[block]! <= target) reached += sums[block++]!
    let last = -1
    for (let id = block * BLOCK; id < words; id++) {
      const weight = expNegative((largest - logits[id]!) * inverse)
      if (weight === 0) continue
      reached += weight
      if (target < reached) return id
      last = id
    }
    // Rounding can leave the target at the very end, behind the last word with a weight.
    for (let id = block * BLOCK - 1; last < 0; id--) if (expNegative((largest - logits[id]!) * inverse) > 0) last = id
    return last
  }
}

export function nonFiniteLogits(where?: string): PlumbError {
  return new PlumbError(
    'PLUMB_NON_FINITE_LOGITS',
    'The model produced logits that are not finite, so no token can be chosen; finite weights were expected.',
    where,
  )
}
