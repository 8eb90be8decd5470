import type { Architecture } from '../architecture'
import { configuredBias, finalNorm, LLAMA_FIELDS, LLAMA_NAMES, preNorm, readSizes, upperWindows, WINDOW_FIELDS, withRope } from './common'

/** Qwen 3, dense (arXiv:2505.09388): Llama with a norm over each head of queries and keys. */
export const qwen3: Architecture = {
  modelType: 'qwen3',
  className: 'Qwen3ForCausalLM',
  fields: [...LLAMA_FIELDS, ...WINDOW_FIELDS, 'attention_bias'],
  names: LLAMA_NAMES,
  read(fields) {
    fields.only('hidden_act', ['silu'])
    const sizes = readSizes(fields, { kvHeads: 32, headDim: 128, maxPositions: 32_768 })
    const windows = upperWindows(fields, sizes)
    const biases = { attention: fields.boolean('attention_bias', false) }
    return { ...withRope(fields, sizes, {}, (layer) => ({ window: windows[layer] })), biases }
  },
  ...preNorm((config) => ({ ...configuredBias(config), qkNorm: 'head' })),
  ...finalNorm(),
}
