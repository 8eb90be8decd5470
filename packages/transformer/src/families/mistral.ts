import type { Architecture } from '../architecture'
import { configuredBias, finalNorm, LLAMA_FIELDS, LLAMA_NAMES, preNorm, readSizes, readWindow, windowWithin, withRope } from './common'

/** Mistral 7B and its kin (arXiv:2310.06825): Llama with a window over all layers. */
export const mistral: Architecture = {
  modelType: 'mistral',
  className: 'MistralForCausalLM',
  fields: [...LLAMA_FIELDS, 'sliding_window'],
  names: LLAMA_NAMES,
  read(fields) {
    fields.only('hidden_act', ['silu'])
    for (const key of ['attention_bias', 'mlp_bias']) fields.only(key, [false])
    if (fields.has('layer_types'))
      throw fields.unsupported('layer_types is not supported in a mistral model: sliding_window holds for all layers.')
    const sizes = readSizes(fields, { kvHeads: 8, maxPositions: 131_072 })
    // transformers takes null for no window and only an absent field for its default.
    const window = windowWithin(sizes, readWindow(fields, 'sliding_window' in fields.json ? undefined : 4096))
    return withRope(fields, sizes, {}, () => ({ window }))
  },
  ...preNorm(configuredBias),
  ...finalNorm(),
}
