import { parameterShapes, parseModelConfig, type ModelConfig } from '@plumbline/transformer'
import type { HeldTensor, HeldWeights } from '../../src/runtime/held-tensor'

export type ReferenceWeights = HeldWeights

export function tinyConfig(fields: Readonly<Record<string, unknown>> = {}): ModelConfig {
  return parseModelConfig(
    {
      ...{ model_type: 'llama', vocab_size: 61, hidden_size: 24, intermediate_size: 40, num_hidden_layers: 2, num_attention_heads: 4 },
      ...{ num_key_value_heads: 2, head_dim: 6, max_position_embeddings: 256, rms_norm_eps: 1e-5, tie_word_embeddings: true, ...fields },
    },
    'a tiny Llama',
  )
}

/** Weights large enough for logits that tell positions and tokens apart. */
export function randomWeights(config: ModelConfig, uniform: () => number): ReferenceWeights {
  const weights = new Map<string, HeldTensor>()
  for (const [name, shape] of parameterShapes(config)) {
    const scale = shape.length === 1 ? 0.2 : 2.5 / Math.sqrt(shape[1]!)
    const shift = shape.length === 1 ? 1 : 0
    const size = shape.reduce((a, b) => a * b, 1)
    weights.set(name, { data: Float32Array.from({ length: size }, () => shift + scale * (2 * uniform() - 1)), shape })
  }
  return weights
}

/** The whole forward pass over one sequence in float64, written from the formulas: logits [vocabulary] of its last position. */
export function referenceLogits(config: ModelConfig, weights: ReferenceWeights, tokens: readonly number[]): number[] {
  const { hiddenSize, heads, kvHeads, headDim, normEps } = config
  const tensor = (name: string) => weights.get(name)!.data as Float32Array
  const table = tensor('model.embed_tokens.weight')
  let xs = tokens.map((id) => Array.from(table.subarray(id * hiddenSize, (id + 1) * hiddenSize)))
  for (let layer = 0; layer < config.layers; layer++) {
    const weight = (part: string) => tensor(`model.layers.${layer}.${part}.weight`)
    const normed = xs.map((x) => norm(x, weight('input_layernorm'), normEps))
    const project = (part: string) => normed.map((x) => times(weight(part), x))
    const turn = (rows: number[][]) => rows.map((row, position) => rotate(row, position, headDim, config.ropes.rope!.theta))
    const [q, k, v] = [turn(project('self_attn.q_proj')), turn(project('self_attn.k_proj')), project('self_attn.v_proj')]
    const attended = q.map((row, position) =>
      Array.from({ length: heads }, (_, head) => {
        const shared = Math.floor(head / (heads / kvHeads))
        const query = slice(row, head, headDim)
        const scores = k.slice(0, position + 1).map((key) => dot(query, slice(key, shared, headDim)) / Math.sqrt(headDim))
        const exps = scores.map((score) => Math.exp(score - Math.max(...scores)))
        const total = exps.reduce((a, b) => a + b)
        return Array.from({ length: headDim }, (_, i) => exps.reduce((sum, e, t) => sum + (e / total) * v[t]![shared * headDim + i]!, 0))
      }).flat(),
    )
    xs = xs.map((x, t) => add(x, times(weight('self_attn.o_proj'), attended[t]!)))
    xs = xs.map((x) => {
      const input = norm(x, weight('post_attention_layernorm'), normEps)
      const gate = times(weight('mlp.gate_proj'), input)
      const up = times(weight('mlp.up_proj'), input)
      return add(x, times(weight('mlp.down_proj'), gate.map((g, i) => (g / (1 + Math.exp(-g))) * up[i]!))) // prettier-ignore
    })
  }
  const hidden = norm(xs[xs.length - 1]!, tensor('model.norm.weight'), normEps)
  return times(config.tiedEmbeddings ? table : tensor('lm_head.weight'), hidden)
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, x, i) => sum + x * b[i]!, 0)
const add = (a: readonly number[], b: readonly number[]) => a.map((x, i) => x + b[i]!)
const slice = (row: readonly number[], head: number, headDim: number) => row.slice(head * headDim, (head + 1) * headDim)

function times(matrix: Float32Array, x: readonly number[]): number[] {
  return Array.from({ length: matrix.length / x.length }, (_, row) => {
    let sum = 0
    for (let i = 0; i < x.length; i++) sum += matrix[row * x.length + i]! * x[i]!
    return sum
  })
}

function norm(x: readonly number[], weight: Float32Array, epsilon: number): number[] {
  const inverse = 1 / Math.sqrt(dot(x, x) / x.length + epsilon)
  return x.map((value, i) => value * inverse * weight[i]!)
}

function rotate(row: readonly number[], position: number, headDim: number, theta: number): number[] {
  const half = headDim / 2
  return row.map((value, i) => {
    const within = i % headDim
    const angle = position * theta ** (-(within % half) / half)
    return within < half
      ? value * Math.cos(angle) - row[i + half]! * Math.sin(angle)
      : value * Math.cos(angle) + row[i - half]! * Math.sin(angle)
  })
}
