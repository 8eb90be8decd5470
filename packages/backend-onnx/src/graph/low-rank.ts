import type { WeightLookup } from '@plumbline/transformer'
import { plus, type Contribution } from './autodiff'
import type { Graph, Value } from './graph'

/** Factors beside a weight W [out, in]: a product with it gives x Wᵀ + s · drop(x) Aᵀ Bᵀ (LoRA, arXiv:2106.09685). */
export interface LowRank {
  readonly module: string
  /** [rank, in] */
  readonly A: Value
  /** [out, rank] */
  readonly B: Value
  /** s */
  readonly scaling: number
  /** Probability that an input of A is set to 0 where a mask says which are. */
  readonly dropout: number
}

/** Which modules have factors, and how they count. */
export interface AdapterShape {
  /** Names, e.g. `model.layers.0.self_attn.q_proj`. */
  readonly modules: ReadonlySet<string>
  readonly scaling: number
  readonly dropout: number
}

export const factorName = (module: string, factor: 'A' | 'B') => `${module}.lora_${factor}.weight`

/** A model's weights, which remember which of them have factors. The factors are found by `factorName`. */
export function adaptedWeights(weights: WeightLookup<Value>, adapter: AdapterShape | undefined) {
  const found = new Map<Value, LowRank>()
  const lookup: WeightLookup<Value> = (name) => {
    const value = weights(name)
    const module = name.replace(/\.weight$/, '')
    if (adapter?.modules.has(module) && name.endsWith('.weight') && !found.has(value)) {
      const { scaling, dropout } = adapter
      found.set(value, { module, A: weights(factorName(module, 'A')), B: weights(factorName(module, 'B')), scaling, dropout })
    }
    return value
  }
  return { weights: lookup, lowRankOf: (weight: Value) => found.get(weight) }
}

interface FactorRules {
  readonly A: Contribution
  readonly B: Contribution
  /** Adds the part of x to its cotangent. */
  x(cotangent: Value): Value
}

/**
 * Adds s · drop(x) Aᵀ Bᵀ to a product. What is dropped is not x itself, which the product with W reads whole.
 *
 * @param kept which inputs are kept, where any are dropped; the others count 1 / (1 − dropout). [n, in]
 * @returns the sum [n, out], and the gradients for its cotangent.
 */
export function addLowRank(graph: Graph, x: Value, product: Value, { A, B, scaling, dropout }: LowRank, kept?: Value) {
  const zero = kept && graph.scalar(0)
  const masked = (value: Value) => (kept ? graph.node('Where', [kept, value, zero], { dtype: 'float32' }) : value)
  const alpha = { float: kept ? scaling / (1 - dropout) : scaling }
  const transposed = (value: Value) => graph.node('Transpose', [value], { attributes: { perm: [1, 0] } })
  const input = masked(x)
  const inner = graph.node('Gemm', [input, A], { attributes: { transB: 1 }, label: 'lora_a' })
  const y = graph.node('Gemm', [inner, B, product], { attributes: { transB: 1, alpha }, label: 'lora_b' })
  const rules = (g: Value): FactorRules => {
    // gᵢ = s g B,  ∂A = gᵢᵀ drop(x),  ∂B = s gᵀ inner,  ∂x = drop(gᵢ A). Of two matrices the thin one is transposed.
    const ofInner = graph.node('Gemm', [g, B], { attributes: { alpha }, label: 'lora_inner' })
    const ofB = graph.node('Gemm', [transposed(inner), g], { attributes: { alpha }, label: 'lora_b_gradient' })
    return {
      A: (sum) => graph.node('Gemm', [transposed(ofInner), input, sum], { label: 'lora_a_gradient' }),
      B: plus(transposed(ofB)),
      x: (cotangent) =>
        kept
          ? graph.node('Add', [cotangent, masked(graph.node('Gemm', [ofInner, A]))])
          : graph.node('Gemm', [ofInner, A, cotangent], { label: 'lora_dx' }),
    }
  }
  return { y, rules }
}
