import type { Architecture } from '../architecture'
import { configuredBias, finalNorm, LLAMA_FIELDS, LLAMA_NAMES, preNorm, readSizes, withRope } from './common'

/** Llama 2 and 3, SmolLM 1 and 2 (arXiv:2302.13971, arXiv:2407.21783). */
export const llama: Architecture = {
  modelType: 'llama',
  className: 'LlamaForCausalLM',
  fields: [...LLAMA_FIELDS, 'attention_bias', 'mlp_bias'],
  names: LLAMA_NAMES,
  read(fields) {
    fields.only('hidden_act', ['silu'])
    const biases = { attention: fields.boolean('attention_bias', false), mlp: fields.boolean('mlp_bias', false) }
    return { ...withRope(fields, readSizes(fields)), biases }
  },
  ...preNorm(configuredBias),
  ...finalNorm(),
}
