/** Models by the names that the command line takes. Counted with the world's vocabulary; exact numbers stand in the results. */
export const MODELS = {
  /** For `--smoke`: big enough to run, not to learn. */
  tiny: { width: 16, layers: 1, heads: 2, inner: 32, learningRate: 4e-3 },
  '0.36m': { width: 96, layers: 3, heads: 4, inner: 224, learningRate: 4e-3 },
  '1m': { width: 144, layers: 4, heads: 4, inner: 352, learningRate: 3e-3 },
  '3m': { width: 224, layers: 5, heads: 4, inner: 576, learningRate: 2e-3 },
  '10m': { width: 384, layers: 6, heads: 6, inner: 896, learningRate: 1e-3 },
} as const

export type ModelName = keyof typeof MODELS

/** As a Hugging Face `config.json` says it. */
export function architectureOf(name: ModelName): Record<string, unknown> {
  const { width, layers, heads, inner } = MODELS[name]
  return {
    model_type: 'llama',
    hidden_size: width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: heads,
    intermediate_size: inner,
    max_position_embeddings: 256,
    tie_word_embeddings: false,
    // about 1/√width: the usual 0.02 suits wider models and learns such tasks half as fast
    initializer_range: Number((1 / Math.sqrt(width)).toFixed(3)),
  }
}

/** Weights of the model with a vocabulary of so many words. */
export function parametersOf(name: ModelName, words: number): number {
  const { width, layers, inner } = MODELS[name]
  return layers * (4 * width ** 2 + 3 * width * inner + 2 * width) + width + 2 * words * width
}
