import type { Attend, WeightLookup } from './architecture'
import { architectureOf } from './families'
import type { ModelConfig } from './model-config'
import type { AttentionShape, Ops, ScoringOps } from './ops'
import { embeddingName, headName } from './parameters'

/** How an engine computes attention in one layer, whose shape and kind it is told. */
export type LayerAttend<T> = (layer: number, shape: AttentionShape) => Attend<T>

/** What happens around the layers. */
export interface DecoderOptions<T> {
  /** Drops rows of the last layer whose output nobody reads, after keys and values were made from all of them. */
  readonly narrowLast?: (x: T) => T
}

/** Rows of the embedding table, as the layers want them. x [n, d], positions: one per row → [n, d]. */
export function embedded<T>(ops: Ops<T>, config: ModelConfig, weights: WeightLookup<T>, x: T, positions: T): T {
  const { names } = architectureOf(config)
  const scaled = config.embeddingScale === undefined ? x : ops.scale(x, config.embeddingScale)
  return names.positions === undefined ? scaled : ops.positioned(scaled, weights(names.positions), positions, config.hiddenSize)
}

/** All layers and what follows them: embedded rows to the rows that the head reads. x [n, d] → [n, d], fewer rows with `narrowLast`. */
export function decoder<T>(
  ops: Ops<T>,
  config: ModelConfig,
  weights: WeightLookup<T>,
  x: T,
  attendIn: LayerAttend<T>,
  { narrowLast = (rows) => rows }: DecoderOptions<T> = {},
): T {
  let rows = x
  for (let layer = 0; layer < config.layers; layer++) rows = decoderLayer(ops, config, weights, layer, rows, attendIn, { narrowLast })
  return headRows(ops, config, weights, rows)
}

/** One of the layers, which count from 0. x [n, d] → [n, d], fewer rows of the last one with `narrowLast`. */
export function decoderLayer<T>(
  ops: Ops<T>,
  config: ModelConfig,
  weights: WeightLookup<T>,
  layer: number,
  x: T,
  attendIn: LayerAttend<T>,
  { narrowLast = (rows) => rows }: DecoderOptions<T> = {},
): T {
  const narrow = layer === config.layers - 1 ? narrowLast : (all: T) => all
  const attend = attendIn(layer, attentionShape(config, layer))
  return architectureOf(config).layer({ ops, config, weights, layer, attend, narrow }, x)
}

/** What follows the layers: their output to the rows that the head reads. [n, d] → [n, d] */
export function headRows<T>(ops: Ops<T>, config: ModelConfig, weights: WeightLookup<T>, x: T): T {
  const hidden = architectureOf(config).final(ops, config, weights, x)
  return config.logitsScale === undefined ? hidden : ops.scale(hidden, config.logitsScale)
}

/** Logits of hidden rows. [n, d] → [n, vocabulary] */
export function logitsOf<T>(ops: Ops<T>, config: ModelConfig, weights: WeightLookup<T>, hidden: T): T {
  const logits = ops.linear(hidden, weights(headName(config)))
  return config.logitsSoftcap === undefined ? logits : ops.softcap(logits, config.logitsSoftcap)
}

export function attentionShape({ heads, kvHeads, headDim, attention }: ModelConfig, layer: number): AttentionShape {
  return { heads, kvHeads, headDim, ...attention[layer]! }
}

/** Queries or keys of a layer as they turn with their positions; as they are where the layer has no rotary embedding. */
export function turned<T>(ops: Ops<T>, config: ModelConfig, { rope, headDim }: AttentionShape, x: T, positions: T, heads: number): T {
  return rope === undefined ? x : ops.rope(x, positions, { rope, heads, headDim, dim: config.ropes[rope]!.dim })
}

/** One packed batch as an engine holds it; see `PackedBatch` for the meaning of each. */
export interface ScoringInputs<T> {
  readonly tokens: T
  readonly positions: T
  readonly tailPositions: T
  readonly scoredRows: T
  readonly scoredIds: T
}

/** Log-probabilities of all scored tokens of a packed batch. → [m] */
export function scorePacked<T>(ops: ScoringOps<T>, config: ModelConfig, weights: WeightLookup<T>, inputs: ScoringInputs<T>): T {
  const hidden = decoder(
    ops,
    config,
    weights,
    embeddedTokens(ops, config, weights, inputs),
    packedAttend(ops, config, inputs),
    narrowToTail(ops),
  )
  return scoredTokens(ops, config, weights, inputs, hidden)
}

/** The first part of {@link scorePacked}: what the first layer reads. → [rows, d] */
export function embeddedTokens<T>(ops: Ops<T>, config: ModelConfig, weights: WeightLookup<T>, inputs: ScoringInputs<T>): T {
  return embedded(ops, config, weights, ops.embedding(weights(embeddingName(config)), inputs.tokens), inputs.positions)
}

/** Attention of its layers. */
export function packedAttend<T>(ops: ScoringOps<T>, config: ModelConfig, inputs: ScoringInputs<T>): LayerAttend<T> {
  return (layer, shape) => (q, k, v) => {
    // Of the last layer's output only the rows that predict something are read; the other prompt rows need keys and values alone.
    const last = layer === config.layers - 1
    const queries = turned(ops, config, shape, q, last ? inputs.tailPositions : inputs.positions, shape.heads)
    return ops.attention(queries, turned(ops, config, shape, k, inputs.positions, shape.kvHeads), v, last ? 'tail' : 'all', shape)
  }
}

/** What the last layer leaves out. */
export const narrowToTail = <T>(ops: ScoringOps<T>): DecoderOptions<T> => ({ narrowLast: (rows) => ops.tail(rows) })

/** Its last part, from the rows that the head reads. → [m] */
export function scoredTokens<T>(
  ops: ScoringOps<T>,
  config: ModelConfig,
  weights: WeightLookup<T>,
  { scoredRows, scoredIds }: ScoringInputs<T>,
  hidden: T,
): T {
  return ops.selectedLogProbs(hidden, weights(headName(config)), scoredRows, scoredIds, config.logitsSoftcap)
}
