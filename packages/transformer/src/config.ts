import { PlumbError, shownValue as show } from '@plumbline/core/base'

/**
 * The dimensions of a decoder-only transformer, as read from a Hugging Face `config.json`.
 * Weights keep their Hugging Face names and layout ([out, in] for linear layers).
 */
export interface ModelConfig {
  readonly modelType: 'llama'
  readonly vocabSize: number
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly layers: number
  /** Query heads. */
  readonly heads: number
  /** Key and value heads; divides `heads` (grouped-query attention). */
  readonly kvHeads: number
  readonly headDim: number
  readonly maxPositions: number
  readonly rmsNormEps: number
  readonly ropeTheta: number
  /** Whether the output head is the embedding table. */
  readonly tiedEmbeddings: boolean
  /** Standard deviation of random initial weights. */
  readonly initializerRange: number
  readonly bosId?: number
  /** Every token that ends a text; some chat models have several. */
  readonly eosIds?: readonly number[]
  readonly padId?: number
}

/** The fields of a `config.json`, by their Hugging Face names. */
export type ConfigJson = Readonly<Record<string, unknown>>

/** Sizes are counted in int32 by the kernels. */
const MOST = 2 ** 31 - 1
const MOST_POSITIONS = MOST
/** The deepest models have some hundreds; each costs thousands of nodes of a graph. */
const MOST_LAYERS = 10_000

export const SUPPORTED_MODEL_TYPES = ['llama'] as const

/**
 * Reads a Llama-family `config.json`. Absent fields get the defaults of transformers' `LlamaConfig`, except the dimensions,
 * which must be there.
 *
 * @param where names the source in errors, e.g. the file's path.
 * @throws PlumbError PLUMB_MODEL_UNSUPPORTED for an architecture or option this model code does not compute,
 *   PLUMB_MODEL_CONFIG for a field that is missing or malformed.
 */
export function parseModelConfig(json: ConfigJson, where: string): ModelConfig {
  const field = new Fields(json, where)
  const modelType = json.model_type
  if (!SUPPORTED_MODEL_TYPES.includes(modelType as 'llama')) {
    throw unsupported(`model_type ${show(modelType)} is not supported; supported: ${SUPPORTED_MODEL_TYPES.join(', ')}.`, where)
  }
  refuseVariants(json, where)

  const hiddenSize = field.positive('hidden_size')
  const heads = field.positive('num_attention_heads')
  const kvHeads = field.positive('num_key_value_heads', heads)
  if (heads % kvHeads !== 0) {
    throw malformed(`num_attention_heads (${heads}) must be a multiple of num_key_value_heads (${kvHeads}).`, where)
  }
  if (json.head_dim == null && hiddenSize % heads !== 0) {
    throw malformed(`hidden_size (${hiddenSize}) must be a multiple of num_attention_heads (${heads}) where head_dim is not given.`, where)
  }
  const headDim = field.positive('head_dim', hiddenSize / heads)
  if (headDim % 2 !== 0) throw malformed(`head_dim is ${headDim}; rotary embeddings need an even number.`, where)

  return {
    modelType: 'llama',
    vocabSize: field.positive('vocab_size'),
    hiddenSize,
    intermediateSize: field.positive('intermediate_size'),
    layers: field.positive('num_hidden_layers', undefined, MOST_LAYERS),
    heads,
    kvHeads,
    headDim,
    maxPositions: field.positive('max_position_embeddings', 2048, MOST_POSITIONS),
    rmsNormEps: field.number('rms_norm_eps', 1e-6),
    ropeTheta: ropeTheta(json, where),
    tiedEmbeddings: field.boolean('tie_word_embeddings', false),
    initializerRange: field.number('initializer_range', 0.02),
    bosId: field.tokenIds('bos_token_id')[0],
    eosIds: field.tokenIds('eos_token_id'),
    padId: field.tokenIds('pad_token_id')[0],
  }
}

/** Options that would change the computation silently if they were ignored. */
function refuseVariants(json: ConfigJson, where: string): void {
  const rotary = json.partial_rotary_factor ?? 1
  if (rotary !== 1) throw unsupported(`partial_rotary_factor ${show(rotary)} is not supported; supported: 1.`, where)
  const dropout = json.attention_dropout ?? 0
  if (dropout !== 0) {
    throw unsupported(`attention_dropout ${show(dropout)} is not supported: nothing is dropped in training here; supported: 0.`, where)
  }
  const activation = json.hidden_act ?? 'silu'
  if (activation !== 'silu') throw unsupported(`hidden_act ${show(activation)} is not supported; supported: "silu".`, where)
  for (const key of ['attention_bias', 'mlp_bias']) {
    if (json[key] != null && json[key] !== false) throw unsupported(`${key} ${show(json[key])} is not supported; supported: false.`, where)
  }
  if (json.quantization_config != null) {
    throw unsupported('quantization_config is not supported; supported: unquantised float32, bfloat16 and float16 weights.', where)
  }
}

/**
 * transformers 5 nests the base under `rope_parameters`; earlier versions keep it beside `rope_scaling`. Where both objects are there,
 * `rope_scaling` has the word, as in transformers, and a base within an object goes before one beside it.
 */
function ropeTheta(json: ConfigJson, where: string): number {
  for (const key of ['rope_scaling', 'rope_parameters']) {
    const value = json[key]
    if (value == null) continue
    if (!isObject(value)) throw malformed(`${key} is ${show(value)}; expected an object or null.`, where)
    const type = value.rope_type ?? value.type ?? 'default'
    if (type !== 'default') throw unsupported(`${key} of type ${show(type)} is not supported; supported: "default" (no scaling).`, where)
    const rotary = value.partial_rotary_factor ?? 1
    if (rotary !== 1) throw unsupported(`${key}.partial_rotary_factor ${show(rotary)} is not supported; supported: 1.`, where)
  }
  const nested = [json.rope_scaling, json.rope_parameters].filter(isObject).find((value) => Object.keys(value).length > 0) ?? {}
  return new Fields({ rope_theta: nested.rope_theta ?? json.rope_theta }, where).number('rope_theta', 10_000)
}

class Fields {
  constructor(
    private readonly json: ConfigJson,
    private readonly where: string,
  ) {}

  positive(key: string, fallback?: number, most = MOST): number {
    const value = this.json[key] ?? fallback
    if (Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= most) return value as number
    throw this.wrong(key, typeof value === 'number' && value > most ? `at most ${most}` : 'a positive whole number')
  }

  number(key: string, fallback: number): number {
    const value = this.json[key] ?? fallback
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
    throw this.wrong(key, 'a positive number')
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.json[key] ?? fallback
    if (typeof value === 'boolean') return value
    throw this.wrong(key, 'true or false')
  }

  tokenIds(key: string): number[] {
    const value = this.json[key]
    const ids: unknown[] = value == null ? [] : Array.isArray(value) ? value : [value]
    // −1 is how some configs say "none".
    const present = ids.filter((id) => id !== -1)
    if (present.every((id) => Number.isSafeInteger(id) && (id as number) >= 0)) return present as number[]
    throw this.wrong(key, 'a token id, a list of token ids, or null')
  }

  private wrong(key: string, expected: string): PlumbError {
    const value = this.json[key]
    return malformed(
      value == null ? `${key} is missing; expected ${expected}.` : `${key} is ${show(value)}; expected ${expected}.`,
      this.where,
    )
  }
}

const unsupported = (message: string, where: string) => new PlumbError('PLUMB_MODEL_UNSUPPORTED', message, where)
const malformed = (message: string, where: string) => new PlumbError('PLUMB_MODEL_CONFIG', message, where)
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
