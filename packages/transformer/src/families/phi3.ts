import type { Architecture, LayerContext } from '../architecture'
import { gated, norm, normParameter, project, projection } from '../blocks'
import { finalNorm, LLAMA_FIELDS, LLAMA_NAMES, readSizes, readWindow, windowWithin, withRope } from './common'

/** Phi-3 and Phi-4 (arXiv:2404.14219): Llama with fused projections, of which a part of each head may turn. */
export const phi3: Architecture = {
  modelType: 'phi3',
  className: 'Phi3ForCausalLM',
  fields: [
    ...LLAMA_FIELDS,
    ...['sliding_window', 'partial_rotary_factor', 'original_max_position_embeddings', 'resid_pdrop', 'embd_pdrop'],
  ],
  names: LLAMA_NAMES,
  read(fields) {
    fields.only('hidden_act', ['silu'])
    fields.only('resid_pdrop', [0], ': nothing is dropped in training here')
    const sizes = readSizes(fields, { maxPositions: 4096, normEps: 1e-5 })
    const window = windowWithin(sizes, readWindow(fields))
    return withRope(
      fields,
      sizes,
      { partial: true, types: ['default', 'longrope', 'su', 'yarn'], longRopeOnly: true, original: 4096 },
      () => ({ window }),
    )
  },
  layerParameters: (config, layer) => {
    const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = config
    return [
      normParameter(layer, 'input_layernorm', hiddenSize),
      ...projection(layer, 'self_attn.qkv_proj', [(heads + 2 * kvHeads) * headDim, hiddenSize]),
      ...projection(layer, 'self_attn.o_proj', [hiddenSize, heads * headDim], false, 'residual'),
      normParameter(layer, 'post_attention_layernorm', hiddenSize),
      ...projection(layer, 'mlp.gate_up_proj', [2 * intermediateSize, hiddenSize]),
      ...projection(layer, 'mlp.down_proj', [hiddenSize, intermediateSize], false, 'residual'),
    ]
  },
  layer<T>(context: LayerContext<T>, x: T): T {
    const { ops, config, narrow, attend } = context
    const { heads, kvHeads, headDim, intermediateSize } = config
    const fused = project(context, 'self_attn.qkv_proj', norm(context, 'input_layernorm', x))
    const [q, k, v] = ops.split(fused, [heads * headDim, kvHeads * headDim, kvHeads * headDim]) as [T, T, T]
    const middle = project(context, 'self_attn.o_proj', attend(narrow(q), k, v), false, narrow(x))
    const both = project(context, 'mlp.gate_up_proj', norm(context, 'post_attention_layernorm', middle))
    const [gate, up] = ops.split(both, [intermediateSize, intermediateSize]) as [T, T]
    return project(context, 'mlp.down_proj', gated(context, gate, up), false, middle)
  },
  ...finalNorm(),
}
