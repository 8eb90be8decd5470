import type { Architecture } from '../architecture'
import { configuredBias, finalNorm, LLAMA_FIELDS, LLAMA_NAMES, preNorm, readSizes, readWindow, readWindows, withRope } from './common'

/** SmolLM 3: Llama with some layers without positions (arXiv:2501.18795). */
export const smollm3: Architecture = {
  modelType: 'smollm3',
  className: 'SmolLM3ForCausalLM',
  fields: [
    ...LLAMA_FIELDS,
    ...['attention_bias', 'mlp_bias', 'no_rope_layers', 'no_rope_layer_interval', 'use_sliding_window', 'sliding_window', 'layer_types'],
  ],
  names: LLAMA_NAMES,
  read(fields) {
    fields.only('hidden_act', ['silu'])
    const sizes = readSizes(fields, { kvHeads: 4, maxPositions: 32_768, tied: true })
    const isFlag = (value: unknown): value is number => value === 0 || value === 1
    // 1 says that a layer has positions, whatever the field's name says.
    const flags = fields.perLayer('no_rope_layers', sizes.layers, isFlag, '0 or 1')
    const interval = fields.positive('no_rope_layer_interval', 4)
    const turns = (layer: number) => (flags ? flags[layer] === 1 : (layer + 1) % interval !== 0)
    const window = fields.boolean('use_sliding_window', false) ? readWindow(fields) : undefined
    const windows = readWindows(fields, sizes, window, (layer) => window !== undefined && !turns(layer))
    const biases = { attention: fields.boolean('attention_bias', false), mlp: fields.boolean('mlp_bias', false) }
    const config = withRope(fields, sizes, { theta: 2_000_000 }, (layer) => ({
      window: windows[layer],
      ...(turns(layer) ? {} : { rope: undefined }),
    }))
    return { ...config, biases }
  },
  ...preNorm(configuredBias),
  ...finalNorm(),
}
