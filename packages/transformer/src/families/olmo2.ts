import type { Architecture, LayerContext } from '../architecture'
import { attentionParameters, gatedMlp, mlpParameters, norm, normParameter, selfAttention, type AttentionKind } from '../blocks'
import type { ModelConfig } from '../model-config'
import { configuredBias, finalNorm, LLAMA_FIELDS, LLAMA_NAMES, readSizes, withRope } from './common'

const attention = (config: ModelConfig): AttentionKind => ({ ...configuredBias(config), qkNorm: 'full' })

/** OLMo 2 (arXiv:2501.00656): norms behind each sublayer, and over all heads of queries and of keys together. */
export const olmo2: Architecture = {
  modelType: 'olmo2',
  className: 'Olmo2ForCausalLM',
  fields: [...LLAMA_FIELDS, 'attention_bias'],
  names: LLAMA_NAMES,
  read(fields) {
    fields.only('hidden_act', ['silu'])
    const biases = { attention: fields.boolean('attention_bias', false) }
    return { ...withRope(fields, readSizes(fields, { normEps: 1e-5 })), biases }
  },
  layerParameters: (config, layer) => [
    ...attentionParameters(config, layer, attention(config)),
    normParameter(layer, 'post_attention_layernorm', config.hiddenSize),
    ...mlpParameters(config, layer),
    normParameter(layer, 'post_feedforward_layernorm', config.hiddenSize),
  ],
  layer<T>(context: LayerContext<T>, x: T): T {
    const { ops, config, narrow } = context
    const attended = selfAttention(context, x, attention(config))
    const middle = ops.add(narrow(x), norm(context, 'post_attention_layernorm', attended))
    return ops.add(middle, norm(context, 'post_feedforward_layernorm', gatedMlp(context, middle)))
  },
  ...finalNorm(),
}
