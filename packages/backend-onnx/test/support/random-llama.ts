import { elements, parameterShapes, parseModelConfig, type ModelConfig } from '@plumbline/transformer'

/** The generator of `fixtures/make_llama_gradients.py`. */
export class Lcg {
  private state: bigint
  constructor(seed: number) {
    this.state = BigInt(seed)
  }
  next(): number {
    this.state = (1103515245n * this.state + 12345n) % 2147483648n
    return Number(this.state) / 2 ** 31
  }
  array(n: number, scale: number): Float32Array {
    return Float32Array.from({ length: n }, () => (this.next() - 0.5) * 2 * scale)
  }
  tokens(n: number, vocabulary: number): number[] {
    return Array.from({ length: n }, () => Math.floor(this.next() * vocabulary))
  }
}

export const smallLlama = (tied: boolean): ModelConfig =>
  parseModelConfig(
    {
      model_type: 'llama',
      vocab_size: 24,
      hidden_size: 32,
      intermediate_size: 48,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      max_position_embeddings: 64,
      rms_norm_eps: 1e-5,
      tie_word_embeddings: tied,
    },
    'a small Llama',
  )

export function randomWeights(config: ModelConfig, random: Lcg): Map<string, { shape: readonly number[]; data: Float32Array }> {
  const weights = new Map<string, { shape: readonly number[]; data: Float32Array }>()
  for (const [name, shape] of parameterShapes(config)) {
    const norm = shape.length === 1
    const data = random.array(elements(shape), norm ? 0.2 : 0.4)
    weights.set(name, { shape, data: norm ? data.map((v) => v + 1) : data })
  }
  return weights
}
