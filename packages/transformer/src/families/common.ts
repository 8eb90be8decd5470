import type { Architecture, LayerContext, OuterNames, ParameterSpec } from '../architecture'
import {
  attentionParameters,
  gatedMlp,
  mlpParameters,
  norm,
  normParameter,
  normWeight,
  selfAttention,
  type AttentionKind,
  type Norm,
} from '../blocks'
import type { Fields } from '../fields'
import type { LayerAttention, ModelConfig } from '../model-config'
import { readRope, type Rope, type RopeDefaults } from '../rope'

const MOST_POSITIONS = 2 ** 31 - 1
/** The deepest models have some hundreds; each costs thousands of nodes of a graph. */
const MOST_LAYERS = 10_000
/** The widest heads have some hundreds of numbers; a frequency is made for every second one. */
const MOST_HEAD_DIM = 65_536

/** Fields of config.json that every family reads, or that change nothing that is computed here. */
export const COMMON_FIELDS = [
  ...['model_type', 'architectures', 'vocab_size', 'hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads'],
  ...['num_key_value_heads', 'head_dim', 'max_position_embeddings', 'initializer_range', 'tie_word_embeddings', 'attention_dropout'],
  ...['bos_token_id', 'eos_token_id', 'pad_token_id', 'use_cache', 'pretraining_tp', 'dtype', 'torch_dtype', 'transformers_version'],
]
/** Those of the families that are built as Llama is. */
export const LLAMA_FIELDS = ['hidden_act', 'rms_norm_eps', 'rope_theta', 'rope_scaling', 'rope_parameters']

/** What differs between families where a field is absent. */
export interface Defaults {
  readonly kvHeads?: number
  readonly headDim?: number
  readonly maxPositions?: number
  readonly normEps?: number
  readonly tied?: boolean
}

/** What every family's config says of its sizes; the family adds what its attention does. */
export type Sizes = Omit<ModelConfig, 'attention' | 'ropes' | 'activation'>

/** Absent fields get the defaults of transformers, except the dimensions, which must be there. */
export function readSizes(
  fields: Fields,
  { kvHeads: fewer, headDim: width, maxPositions = 2048, normEps = 1e-6, tied = false }: Defaults = {},
): Sizes {
  fields.only('attention_dropout', [0], ': nothing is dropped in training here')
  if (fields.has('quantization_config')) {
    throw fields.unsupported('quantization_config is not supported; supported: unquantised float32, bfloat16 and float16 weights.')
  }
  const hiddenSize = fields.positive('hidden_size')
  const heads = fields.positive('num_attention_heads')
  // transformers takes null for "as many as heads" and only an absent field for its default.
  const kvHeads = fields.positive('num_key_value_heads', 'num_key_value_heads' in fields.json ? heads : (fewer ?? heads))
  if (heads % kvHeads !== 0) {
    throw fields.malformed(`num_attention_heads (${heads}) must be a multiple of num_key_value_heads (${kvHeads}).`)
  }
  if (!fields.has('head_dim') && width === undefined && hiddenSize % heads !== 0) {
    throw fields.malformed(`hidden_size (${hiddenSize}) must be a multiple of num_attention_heads (${heads}) where head_dim is not given.`)
  }
  return {
    modelType: fields.json.model_type as string,
    vocabSize: fields.positive('vocab_size'),
    hiddenSize,
    intermediateSize: fields.positive('intermediate_size'),
    layers: fields.positive('num_hidden_layers', undefined, MOST_LAYERS),
    heads,
    kvHeads,
    headDim: fields.positive('head_dim', width ?? hiddenSize / heads, MOST_HEAD_DIM),
    maxPositions: fields.positive('max_position_embeddings', maxPositions, MOST_POSITIONS),
    normEps: fields.number('rms_norm_eps', normEps),
    tiedEmbeddings: fields.boolean('tie_word_embeddings', tied),
    initializerRange: fields.number('initializer_range', 0.02),
    ...tokenIds(fields),
  }
}

export function tokenIds(fields: Fields): Pick<ModelConfig, 'bosId' | 'eosIds' | 'padId'> {
  const [bos, eos, pad] = ['bos_token_id', 'eos_token_id', 'pad_token_id'].map((key) => fields.tokenIds(key))
  return { bosId: bos![0], eosIds: eos, padId: pad![0] }
}

/** The name of a model's only rotary table. */
export const ROPE = 'rope'

/** Sizes, one rotary embedding for all layers, and what each layer's attention does beside that. */
export function withRope(
  fields: Fields,
  sizes: Sizes,
  options: Omit<RopeDefaults, 'headDim' | 'maxPositions'> = {},
  ofLayer: (layer: number) => Partial<LayerAttention> = () => ({}),
): ModelConfig {
  const rope = readRope(fields, { headDim: sizes.headDim, maxPositions: sizes.maxPositions, ...options })
  const attention = Array.from({ length: sizes.layers }, (_, layer) => ({
    scale: 1 / Math.sqrt(sizes.headDim),
    rope: ROPE,
    ...ofLayer(layer),
  }))
  return withinContext({ ...sizes, activation: 'silu', ropes: { [ROPE]: rope }, attention })
}

/** A rotary embedding may hold for shorter sequences than the config allows. */
export function withinContext(config: ModelConfig): ModelConfig {
  const limits = Object.values(config.ropes).map(({ limit }: Rope) => limit ?? Infinity)
  return { ...config, maxPositions: Math.min(config.maxPositions, ...limits) }
}

/** Which layers slide, as `layer_types` says; `absent` decides where there is no such list. @param window that those have */
export function slidingLayers(fields: Fields, layers: number, window: number | undefined, absent: (layer: number) => boolean): boolean[] {
  const isKind = (value: unknown): value is string => value === 'full_attention' || value === 'sliding_attention'
  const kinds = fields.perLayer('layer_types', layers, isKind, '"full_attention" or "sliding_attention"')
  if (window === undefined && kinds?.includes('sliding_attention')) {
    throw fields.malformed('layer_types names "sliding_attention", but there is no sliding_window.')
  }
  return Array.from({ length: layers }, (_, layer) => (kinds ? kinds[layer] === 'sliding_attention' : absent(layer)))
}

/** The window of each layer; see {@link slidingLayers}. */
export function readWindows(
  fields: Fields,
  sizes: Sizes,
  window: number | undefined,
  absent: (layer: number) => boolean,
): (number | undefined)[] {
  const own = windowWithin(sizes, window)
  return slidingLayers(fields, sizes.layers, window, absent).map((slides) => (slides ? own : undefined))
}

/** Fields of `upperWindows`. */
export const WINDOW_FIELDS = ['use_sliding_window', 'sliding_window', 'max_window_layers', 'layer_types']

/** `sliding_window`; undefined where it is null, and `absent` where there is no such field. */
export function readWindow(fields: Fields, absent?: number): number | undefined {
  return fields.has('sliding_window') ? fields.positive('sliding_window') : absent
}

/** A window that is shorter than the context; another hides nothing from any query. */
export function windowWithin({ maxPositions }: Pick<Sizes, 'maxPositions'>, window: number | undefined): number | undefined {
  return window !== undefined && window < maxPositions ? window : undefined
}

/** Qwen's windows: where they are used, layers from `max_window_layers` on have one, unless `layer_types` says otherwise. */
export function upperWindows(fields: Fields, sizes: Sizes): (number | undefined)[] {
  const isUsed = fields.boolean('use_sliding_window', false)
  const lowest = fields.positive('max_window_layers', 28)
  const window = isUsed ? readWindow(fields, 4096) : undefined
  return readWindows(fields, sizes, window, (layer) => layer >= lowest)
}

export const LLAMA_NAMES: OuterNames = { embedding: 'model.embed_tokens.weight', head: 'lm_head.weight' }

export function finalNorm(kind: Norm = {}): Pick<Architecture, 'finalParameters' | 'final'> {
  const { offset = 0 } = kind
  return {
    finalParameters: ({ hiddenSize }) => [{ name: 'model.norm.weight', shape: [hiddenSize], initial: 1 - offset }],
    final: (ops, { normEps }, weights, x) => ops.rmsNorm(x, normWeight(ops, weights('model.norm.weight'), kind), normEps),
  }
}

/** A pre-norm layer as Llama's (arXiv:2302.13971), with this attention. */
export function preNorm(kindOf: (config: ModelConfig) => AttentionKind): Pick<Architecture, 'layerParameters' | 'layer'> {
  return {
    layerParameters: (config, layer): ParameterSpec[] => [
      normParameter(layer, 'input_layernorm', config.hiddenSize),
      ...attentionParameters(config, layer, kindOf(config)),
      normParameter(layer, 'post_attention_layernorm', config.hiddenSize),
      ...mlpParameters(config, layer, config.biases?.mlp),
    ],
    layer<T>(context: LayerContext<T>, x: T): T {
      const { config, narrow } = context
      const middle = selfAttention(context, norm(context, 'input_layernorm', x), kindOf(config), narrow(x))
      return gatedMlp(context, norm(context, 'post_attention_layernorm', middle), config.biases?.mlp, middle)
    },
  }
}

/** Whether q, k, v and o have biases, as the config says. */
export const configuredBias = ({ biases }: ModelConfig): AttentionKind => ({
  qkvBias: biases?.attention ?? false,
  outputBias: biases?.attention ?? false,
})
