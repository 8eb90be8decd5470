import { PlumbError, type Sampling } from '@plumbline/core/base'
import { expNegative } from './exponential'
import { kthLargest, nucleus } from './top'

/** The part of {@link Sampling} that says how one token is drawn. */
export type TokenSampling = Pick<Sampling, 'temperature' | 'topK' | 'topP'>

/** Tokens whose weights are summed together; a draw looks into one block only. */
const BLOCK = 256

/**
 * Draws tokens from rows of logits: temperature, then top-k, then top-p, in the order and with the sets of the logits warpers of
 * `transformers`. Probabilities and their sums are float64. Holds scratch space for one vocabulary; a choice depends on its
 * arguments only.
 */
export class TokenChooser {
  /** Scratch: the tokens that top-k and top-p leave, ascending. */
  private readonly kept: Int32Array
  /** Scratch: running sums at the end of each block of the vocabulary. */
  private readonly sums: Float64Array

  constructor(
    vocabularySize: number,
    private readonly sampling: TokenSampling,
  ) {
    this.kept = new Int32Array(vocabularySize)
    this.sums = new Float64Array(Math.ceil(vocabularySize / BLOCK))
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
    const likeliest = argmax(logits)
    if (!this.random) return likeliest
    const largest = logits[likeliest]!
    const { temperature, topK = 0, topP = 1 } = this.sampling
    const limited = topK > 0 && topK < logits.length
    if (!limited && topP >= 1) return this.drawFromAll(logits, largest, uniform)
    const smallest = limited ? kthLargest(logits, topK) : -Infinity
    const count = topP < 1 ? nucleus(logits, largest, temperature, smallest, topP, this.kept) : this.keep(logits, smallest)
    return this.drawFromKept(count, logits, largest, uniform)
  }

  /** Finds the block first, then the token in it, so that weights need not be stored. */
  private drawFromAll(logits: Float32Array, largest: number, uniform: number): number {
    const { sums } = this
    const inverse = 1 / this.sampling.temperature
    let total = 0
    for (let block = 0, id = 0; block < sums.length; block++) {
      for (const end = Math.min(id + BLOCK, logits.length); id < end; id++) total += expNegative((largest - logits[id]!) * inverse)
      sums[block] = total
    }
    const target = uniform * total
    let block = 0
    while (block < sums.length - 1 && sums[block]! <= target) block++
    let reached = block === 0 ? 0 : sums[block - 1]!
    let last = 0
    for (let id = block * BLOCK; id < logits.length; id++) {
      const weight = expNegative((largest - logits[id]!) * inverse)
      if (weight === 0) continue
      reached += weight
      if (target < reached) return id
      last = id
    }
    return last // rounding can leave the target at the very end
  }

  private keep(logits: Float32Array, smallest: number): number {
    let count = 0
    for (let id = 0; id < logits.length; id++) if (logits[id]! >= smallest) this.kept[count++] = id
    return count
  }

  private drawFromKept(count: number, logits: Float32Array, largest: number, uniform: number): number {
    const { kept } = this
    const inverse = 1 / this.sampling.temperature
    let total = 0
    for (let i = 0; i < count; i++) total += expNegative((largest - logits[kept[i]!]!) * inverse)
    const target = uniform * total
    let reached = 0
    for (let i = 0; i < count; i++) {
      reached += expNegative((largest - logits[kept[i]!]!) * inverse)
      if (target < reached) return kept[i]!
    }
    return kept[count - 1]!
  }
}

function argmax(logits: Float32Array): number {
  let best = 0
  let largest = -Infinity
  let bad = false
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!
    if (logit > largest) {
      largest = logit
      best = id
    }
    if (Number.isNaN(logit)) bad = true
  }
  if (bad || !Number.isFinite(largest)) throw nonFiniteLogits()
  return best
}

export function nonFiniteLogits(where?: string): PlumbError {
  return new PlumbError(
    'PLUMB_NON_FINITE_LOGITS',
    'The model produced logits that are not finite, so no token can be chosen; finite weights were expected.',
    where,
  )
}
