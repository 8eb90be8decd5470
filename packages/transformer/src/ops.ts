import type { Activation, HeadShape, LayerAttention } from './model-config'

export interface LinearOptions<T> {
  /** Added to every row. [out] */
  readonly bias?: T
  /** Added to the result. [n, out] */
  readonly residual?: T
}

/** Which rotary table turns a head, and how much of it. */
export interface Rotation {
  /** Name of the table. */
  readonly rope: string
  /** Heads side by side in a row. */
  readonly heads: number
  readonly headDim: number
  /** Numbers of each head that turn. */
  readonly dim: number
}

/**
 * The operations a decoder-only transformer is made of. An engine implements them; `T` is a node of a graph for one and a
 * tensor for another. The model is written once over this set (see `model.ts` and `families`).
 *
 * Rows are tokens: every token of a batch is one row, whatever sequence it belongs to, so nothing is padded.
 * Matrices are [out, in].
 */
export interface Ops<T> {
  /** Rows of a table. table [vocabulary, d], ids [n] → [n, d]. */
  embedding(table: T, ids: T): T
  /** x + table[positions], for learned positions. x [n, d], table [maxPositions, d], positions: one per row. */
  positioned(x: T, table: T, positions: T, width: number): T
  /** x Wᵀ, plus a bias and a residual where given. x [n, in], weight [out, in] → [n, out]. */
  linear(x: T, weight: T, options?: LinearOptions<T>): T
  /**
   * x / √(mean(x²) + eps) · weight (arXiv:1910.07467), row by row, or for each head of a row by itself.
   * x [n, d], weight [d] → [n, d]; with `parts`, x [n, heads · headDim] and weight [headDim].
   */
  rmsNorm(x: T, weight: T, epsilon: number, parts?: Pick<HeadShape, 'heads' | 'headDim'>): T
  /** (x − mean) / √(variance + eps) · weight + bias (arXiv:1607.06450), row by row. x [n, d], weight and bias [d] → [n, d]. */
  layerNorm(x: T, weight: T, bias: T, epsilon: number): T
  /** Rotary position embedding. x [n, heads · headDim], positions: one per row → [n, heads · headDim]. */
  rope(x: T, positions: T, rotation: Rotation): T
  /** silu(gate) · up, element by element (arXiv:2002.05202). */
  swiglu(gate: T, up: T): T
  /** An elementwise function. */
  activate(x: T, activation: Activation): T
  /** Runs of columns, as wide as said, side by side in x. [n, Σ widths] → [n, width] each. */
  split(x: T, widths: readonly number[]): T[]
  add(a: T, b: T): T
  multiply(a: T, b: T): T
  scale(x: T, factor: number): T
  /** x + a number. */
  shift(x: T, by: number): T
  /** c · tanh(x / c). */
  softcap(x: T, cap: number): T
}

/** Attention of one layer: shapes, and what it does with queries and keys. */
export type AttentionShape = HeadShape & LayerAttention

/** What scoring needs on top: one batch in the layout of `packing.ts`, prompts first, each computed once. */
export interface ScoringOps<T> extends Ops<T> {
  /** The rows that predict a scored token: the last prompt row of every group, then all completion rows (they stand last). */
  tail(x: T): T
  /**
   * Causal attention inside every sequence: prompt rows over their own prompt, completion rows over their group's prompt and
   * their own completion.
   *
   * k and v [rows, kvHeads · headDim] hold all rows. q holds all rows or only the tail's [·, heads · headDim], and so does the result.
   */
  attention(q: T, k: T, v: T, queries: 'all' | 'tail', shape: AttentionShape): T
  /**
   * Log-probabilities of chosen tokens, log softmax(hidden headᵀ)[rows, ids], in float32; the logits are capped first where `softcap` is
   * given. hidden [n, d], head [vocabulary, d], rows and ids [m] → [m]. Logits are not returned.
   */
  selectedLogProbs(hidden: T, head: T, rows: T, ids: T, softcap?: number): T
}
