import type { LowRank } from '@plumbline/transformer'
import { plus, type Contribution } from './autodiff'
import type { Graph, Value } from './graph'

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
export function addLowRank(graph: Graph, x: Value, product: Value, { A, B, scaling, dropout }: LowRank<Value>, kept?: Value) {
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
