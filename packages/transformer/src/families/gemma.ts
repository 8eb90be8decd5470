import type { Architecture, LayerContext } from '../architecture'
import { attentionParameters, gatedMlp, mlpParameters, norm, normParameter, selfAttention, type AttentionKind } from '../blocks'
import { isObject, type Fields } from '../fields'
import type { ModelConfig } from '../model-config'
import {
  configuredBias,
  finalNorm,
  LLAMA_NAMES,
  readSizes,
  readWindow,
  readWindows,
  slidingLayers,
  windowWithin,
  withinContext,
  withRope,
  type Sizes,
} from './common'
import { plainRope, readRope, ropeOf } from '../rope'

/** Gemma multiplies by 1 + weight. */
const NORM = { offset: 1 }

const FIELDS = [
  ...['rms_norm_eps', 'hidden_act', 'hidden_activation', 'attention_bias', 'query_pre_attn_scalar', 'sliding_window', 'layer_types'],
  ...['final_logit_softcapping', 'attn_logit_softcapping', 'use_bidirectional_attention', 'rope_theta', 'rope_scaling', 'rope_parameters'],
]

/** What Gemma 2 and 3 share: norms in front of and behind each sublayer. */
function gemma(
  kindOf: (config: ModelConfig) => AttentionKind,
): Pick<Architecture, 'names' | 'layerParameters' | 'layer' | 'finalParameters' | 'final'> {
  const normed = (layer: number, part: string, { hiddenSize }: ModelConfig) => normParameter(layer, part, hiddenSize, NORM)
  return {
    names: LLAMA_NAMES,
    layerParameters: (config, layer) => [
      normed(layer, 'input_layernorm', config),
      ...attentionParameters(config, layer, kindOf(config)),
      normed(layer, 'post_attention_layernorm', config),
      normed(layer, 'pre_feedforward_layernorm', config),
      ...mlpParameters(config, layer),
      normed(layer, 'post_feedforward_layernorm', config),
    ],
    layer<T>(context: LayerContext<T>, x: T): T {
      const { ops, config, narrow } = context
      const attended = selfAttention(context, norm(context, 'input_layernorm', x, NORM), kindOf(config))
      const middle = ops.add(narrow(x), norm(context, 'post_attention_layernorm', attended, NORM))
      const fed = gatedMlp(context, norm(context, 'pre_feedforward_layernorm', middle, NORM))
      return ops.add(middle, norm(context, 'post_feedforward_layernorm', fed, NORM))
    },
    ...finalNorm(NORM),
  }
}

function readCommon(
  fields: Fields,
  maxPositions: number,
): { readonly sizes: Sizes; readonly rest: Partial<ModelConfig>; readonly scale: number } {
  fields.only('hidden_activation', ['gelu_pytorch_tanh'])
  fields.only('use_bidirectional_attention', [false])
  const read = readSizes(fields, { kvHeads: 4, headDim: 256, maxPositions, tied: true })
  const sizes = {
    ...read,
    // transformers' own defaults; null says that there is none.
    ...('pad_token_id' in fields.json ? {} : { padId: 0 }),
    ...('eos_token_id' in fields.json ? {} : { eosIds: [1] }),
    ...('bos_token_id' in fields.json ? {} : { bosId: 2 }),
  }
  return {
    sizes,
    scale: 1 / Math.sqrt(fields.number('query_pre_attn_scalar', 256)),
    rest: {
      activation: 'gelu_tanh',
      // A float32 constant in transformers.
      embeddingScale: Math.fround(Math.sqrt(sizes.hiddenSize)),
      biases: { attention: fields.boolean('attention_bias', false) },
    },
  }
}

/** A cap; null says that there is none. */
const cap = (fields: Fields, key: string, fallback: number | undefined) => (key in fields.json ? fields.optionalNumber(key) : fallback)

/** Gemma 2 (arXiv:2408.00118): capped scores and logits, every second layer through a window. */
export const gemma2: Architecture = {
  modelType: 'gemma2',
  className: 'Gemma2ForCausalLM',
  fields: FIELDS,
  ...gemma(configuredBias),
  read(fields) {
    const { sizes, rest, scale } = readCommon(fields, 8192)
    const windows = readWindows(fields, sizes, readWindow(fields, 4096), (layer) => layer % 2 === 0)
    const softcap = cap(fields, 'attn_logit_softcapping', 50)
    const logitsSoftcap = cap(fields, 'final_logit_softcapping', 30)
    return { ...withRope(fields, sizes, {}, (layer) => ({ scale, softcap, window: windows[layer] })), ...rest, logitsSoftcap }
  },
}

// Names of Gemma 3's two rotary embeddings.
const GLOBAL = 'rope'
const LOCAL = 'rope_local'

/** Gemma 3, text (arXiv:2503.19786): norms of queries and keys, windows with a rotary embedding of their own. */
export const gemma3: Architecture = {
  modelType: 'gemma3_text',
  className: 'Gemma3ForCausalLM',
  fields: [...FIELDS, 'rope_local_base_freq', 'sliding_window_pattern', '_sliding_window_pattern'],
  ...gemma((config) => ({ ...configuredBias(config), qkNorm: 'head', norm: NORM })),
  read(fields) {
    fields.only('attn_logit_softcapping', [], ': transformers reads it and does not apply it; supported: null')
    const { sizes, rest, scale } = readCommon(fields, 131_072)
    const pattern = fields.positive('_sliding_window_pattern', fields.positive('sliding_window_pattern', 6))
    const window = readWindow(fields, 4096)
    const slides = slidingLayers(fields, sizes.layers, window, (layer) => (layer + 1) % pattern !== 0)
    // A window that hides nothing is none, but its layers have their own rotary embedding all the same.
    const local = { scale, window: windowWithin(sizes, window), rope: LOCAL }
    const attention = slides.map((isLocal) => (isLocal ? local : { scale, rope: GLOBAL }))
    const logitsSoftcap = cap(fields, 'final_logit_softcapping', undefined)
    return withinContext({ ...sizes, activation: 'gelu_tanh', attention, ropes: ropesOf(fields, sizes), ...rest, logitsSoftcap })
  },
}

/** `rope_parameters` holds one object for each kind of layer; older configs have the global one as other families, and a local base. */
function ropesOf(fields: Fields, { headDim, maxPositions }: Sizes): ModelConfig['ropes'] {
  const shape = { headDim, maxPositions }
  const { rope_parameters: nested } = fields.json
  if (isObject(nested) && (isObject(nested.full_attention) || isObject(nested.sliding_attention))) {
    const of = (kind: string, theta: number) => {
      const object = nested[kind] ?? {}
      if (!isObject(object)) throw fields.wrong(`rope_parameters.${kind}`, 'an object')
      return ropeOf(fields, object, `rope_parameters.${kind}`, { ...shape, theta })
    }
    return { [GLOBAL]: of('full_attention', 1_000_000), [LOCAL]: of('sliding_attention', 10_000) }
  }
  const local = plainRope(fields.number('rope_local_base_freq', 10_000), headDim)
  return { [GLOBAL]: readRope(fields, { ...shape, theta: 1_000_000 }), [LOCAL]: local }
}
