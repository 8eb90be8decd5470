import type { Rope } from './rope'

/** Elementwise functions of feed-forward layers; `gelu_tanh` is the approximation that configs call `gelu_new` and `gelu_pytorch_tanh`. */
export type Activation = 'silu' | 'gelu_tanh'

/** What the attention of one layer does with queries and keys. */
export interface LayerAttention {
  /** Factor on the scores; 1/√headDim in most models. */
  readonly scale: number
  /** Scores become c · tanh(score / c) before the mask (Gemma 2). */
  readonly softcap?: number
  /** A query sees its own position and the `window` − 1 before it; all before it when absent (see `firstSeen`). */
  readonly window?: number
  /** Which of the config's rotary tables turns queries and keys; absent in layers without positions. */
  readonly rope?: string
}

/** Shapes of an attention: query heads, key and value heads, and their width. */
export interface HeadShape {
  readonly heads: number
  /** Divides `heads` (grouped-query attention). */
  readonly kvHeads: number
  readonly headDim: number
}

/**
 * A decoder-only transformer in numbers, as read from a Hugging Face `config.json`: plain data. What a family computes with them is its
 * `Architecture`. Weights keep their Hugging Face names; matrices are [out, in].
 */
export interface ModelConfig extends HeadShape {
  /** The family: `model_type` of config.json. */
  readonly modelType: string
  readonly vocabSize: number
  readonly hiddenSize: number
  /** Width of the feed-forward layers. */
  readonly intermediateSize: number
  readonly layers: number
  readonly maxPositions: number
  /** ε of all norms. */
  readonly normEps: number
  readonly activation: Activation
  /** One for each layer. */
  readonly attention: readonly LayerAttention[]
  /** Rotary embeddings by name; the first part of the names of their tables in an engine's graph. */
  readonly ropes: Readonly<Record<string, Rope>>
  /** Which projections have biases, where the family leaves that to the config. */
  readonly biases?: { readonly attention?: boolean; readonly mlp?: boolean }
  /** Factor on embedded tokens. */
  readonly embeddingScale?: number
  /** Factor on what a layer adds to the residual stream. */
  readonly residualScale?: number
  /** Factor on the logits. */
  readonly logitsScale?: number
  /** Logits become c · tanh(logit / c) (Gemma 2). */
  readonly logitsSoftcap?: number
  /** Whether the output head is the embedding table. */
  readonly tiedEmbeddings: boolean
  /** Standard deviation of random initial weights. */
  readonly initializerRange: number
  readonly bosId?: number
  /** Every token that ends a text; some chat models have several. */
  readonly eosIds?: readonly number[]
  readonly padId?: number
  /** What config.json asks for in training and is not done here, a sentence each. */
  readonly notices?: readonly string[]
}
