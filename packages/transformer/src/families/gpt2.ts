import type { Architecture, LayerContext, ParameterSpec, WeightLookup } from '../architecture'
import type { ConfigJson } from '../config-json'
import type { ModelConfig } from '../model-config'
import { Fields } from '../fields'
import type { Ops } from '../ops'
import { readSizes } from './common'

const PREFIX = 'transformer.'
/** What transformers calls these in other families. */
const ALIASES = {
  hidden_size: 'n_embd',
  num_hidden_layers: 'n_layer',
  num_attention_heads: 'n_head',
  max_position_embeddings: 'n_positions',
}
const DROPOUTS = ['attn_pdrop', 'embd_pdrop', 'resid_pdrop']

/** GPT-2: learned positions, LayerNorm, biases everywhere, and matrices that files hold as [in, out] (`Conv1D`). */
export const gpt2: Architecture = {
  modelType: 'gpt2',
  className: 'GPT2LMHeadModel',
  fields: [
    ...Object.values(ALIASES),
    ...['n_inner', 'n_ctx', 'activation_function', 'layer_norm_epsilon', 'scale_attn_weights', 'scale_attn_by_inverse_layer_idx'],
    ...['reorder_and_upcast_attn', 'add_cross_attention', ...DROPOUTS],
  ],
  names: { embedding: `${PREFIX}wte.weight`, head: 'lm_head.weight', positions: `${PREFIX}wpe.weight` },
  read(given) {
    const fields = new Fields(withAliases(given.json), given.where)
    fields.only('activation_function', ['gelu_new', 'gelu_pytorch_tanh'])
    fields.only('add_cross_attention', [false])
    const hidden = fields.positive('hidden_size')
    const inner = fields.has('n_inner') ? fields.positive('n_inner') : 4 * hidden
    const absent = { num_key_value_heads: null, head_dim: null, intermediate_size: inner, rms_norm_eps: fields.json.layer_norm_epsilon }
    const sizes = readSizes(new Fields({ ...fields.json, ...absent }, fields.where), { maxPositions: 1024, normEps: 1e-5, tied: true })
    const scale = fields.boolean('scale_attn_weights', true) ? 1 / Math.sqrt(sizes.headDim) : 1
    const byDepth = fields.boolean('scale_attn_by_inverse_layer_idx', false)
    const attention = Array.from({ length: sizes.layers }, (_, layer) => ({ scale: byDepth ? scale / (layer + 1) : scale }))
    return { ...sizes, activation: 'gelu_tanh', attention, ropes: {}, ...dropoutNotice(fields) }
  },
  layerParameters({ hiddenSize, intermediateSize }, layer): ParameterSpec[] {
    const part = (name: string) => `${PREFIX}h.${layer}.${name}`
    return [
      ...normParameters(part('ln_1'), hiddenSize),
      ...projection(part('attn.c_attn'), [3 * hiddenSize, hiddenSize]),
      ...projection(part('attn.c_proj'), [hiddenSize, hiddenSize], 'residual'),
      ...normParameters(part('ln_2'), hiddenSize),
      ...projection(part('mlp.c_fc'), [intermediateSize, hiddenSize]),
      ...projection(part('mlp.c_proj'), [hiddenSize, intermediateSize], 'residual'),
    ]
  },
  finalParameters: ({ hiddenSize }) => normParameters(`${PREFIX}ln_f`, hiddenSize),
  layer<T>({ ops, config, weights, layer, attend, narrow }: LayerContext<T>, x: T): T {
    const { hiddenSize } = config
    const part = (name: string) => `${PREFIX}h.${layer}.${name}`
    const linear = (name: string, rows: T, residual?: T) => {
      const [weight, bias] = [weights(part(`${name}.weight`)), weights(part(`${name}.bias`))]
      return ops.linear(rows, weight, residual === undefined ? { bias } : { bias, residual })
    }
    const fused = linear('attn.c_attn', layerNorm(ops, config, weights, part('ln_1'), x))
    const [q, k, v] = ops.split(fused, [hiddenSize, hiddenSize, hiddenSize]) as [T, T, T]
    const middle = linear('attn.c_proj', attend(narrow(q), k, v), narrow(x))
    const fed = ops.activate(linear('mlp.c_fc', layerNorm(ops, config, weights, part('ln_2'), middle)), config.activation)
    return linear('mlp.c_proj', fed, middle)
  },
  final: (ops, config, weights, x) => layerNorm(ops, config, weights, `${PREFIX}ln_f`, x),
  /** The Hub's own files have no prefix, and hold each layer's causal mask. */
  ofFile(name) {
    if (/(^|\.)h\.\d+\.attn\.(bias|masked_bias)$/.test(name)) return undefined
    return name === 'lm_head.weight' || name.startsWith(PREFIX) ? name : `${PREFIX}${name}`
  },
}

/** Published configs have 0.1 everywhere, so that a refusal would leave nothing to train; transformers takes it for what is absent too. */
function dropoutNotice(fields: Fields): Pick<ModelConfig, 'notices'> {
  const asked = DROPOUTS.map((name) => {
    const value = fields.json[name] ?? 0.1
    if (typeof value !== 'number' || !(value >= 0 && value <= 1)) throw fields.wrong(name, 'a number from 0 to 1')
    return { name, value }
  }).filter(({ value }) => value > 0)
  if (asked.length === 0) return {}
  const list = asked.map(({ name, value }) => `${name} ${value}`).join(', ')
  return { notices: [`config.json asks for dropout in training (${list}), which is not applied: the model is trained without it.`] }
}

function withAliases(json: ConfigJson): ConfigJson {
  return { ...json, ...Object.fromEntries(Object.entries(ALIASES).map(([name, alias]) => [name, json[alias] ?? json[name]])) }
}

function normParameters(name: string, width: number): ParameterSpec[] {
  return [
    { name: `${name}.weight`, shape: [width], initial: 1 },
    { name: `${name}.bias`, shape: [width], initial: 0 },
  ]
}

function projection(name: string, [out, width]: readonly [number, number], initial: ParameterSpec['initial'] = 'normal'): ParameterSpec[] {
  return [
    { name: `${name}.weight`, shape: [out, width], initial, isTransposed: true },
    { name: `${name}.bias`, shape: [out], initial: 0 },
  ]
}

function layerNorm<T>(ops: Ops<T>, { normEps }: ModelConfig, weights: WeightLookup<T>, name: string, x: T): T {
  return ops.layerNorm(x, weights(`${name}.weight`), weights(`${name}.bias`), normEps)
}
