import type { Architecture } from '../architecture'
import { finalNorm, LLAMA_FIELDS, LLAMA_NAMES, preNorm, readSizes, upperWindows, WINDOW_FIELDS, withRope } from './common'

/** Qwen 2 and 2.5 (arXiv:2407.10671): Llama with biases on queries, keys and values. */
export const qwen2: Architecture = {
  modelType: 'qwen2',
  className: 'Qwen2ForCausalLM',
  fields: [...LLAMA_FIELDS, ...WINDOW_FIELDS],
  names: LLAMA_NAMES,
  read(fields) {
    fields.only('hidden_act', ['silu'])
    const sizes = readSizes(fields, { kvHeads: 32, maxPositions: 32_768 })
    const windows = upperWindows(fields, sizes)
    return withRope(fields, sizes, {}, (layer) => ({ window: windows[layer] }))
  },
  ...preNorm(() => ({ qkvBias: true })),
  ...finalNorm(),
}
