import type { Architecture, LayerContext } from '../architecture'
import { gatedMlp, norm, selfAttention } from '../blocks'
import { configuredBias, finalNorm, LLAMA_FIELDS, LLAMA_NAMES, preNorm, readSizes, withRope } from './common'

/** Granite 3, dense: Llama with factors on embeddings, scores, residuals and logits (arXiv:2404.06395 and others call it μP). */
export const granite: Architecture = {
  modelType: 'granite',
  className: 'GraniteForCausalLM',
  fields: [
    ...LLAMA_FIELDS,
    ...['attention_bias', 'mlp_bias', 'embedding_multiplier', 'attention_multiplier', 'residual_multiplier', 'logits_scaling'],
  ],
  names: LLAMA_NAMES,
  read(fields) {
    fields.only('hidden_act', ['silu'])
    const scale = fields.number('attention_multiplier', 1)
    const config = withRope(fields, readSizes(fields), {}, () => ({ scale }))
    return {
      ...config,
      biases: { attention: fields.boolean('attention_bias', false), mlp: fields.boolean('mlp_bias', false) },
      embeddingScale: fields.number('embedding_multiplier', 1),
      residualScale: fields.number('residual_multiplier', 1),
      logitsScale: 1 / fields.number('logits_scaling', 1),
    }
  },
  ...preNorm(configuredBias),
  layer<T>(context: LayerContext<T>, x: T): T {
    const { ops, config, narrow } = context
    const { biases, residualScale = 1 } = config
    const attended = selfAttention(context, norm(context, 'input_layernorm', x), configuredBias(config))
    const middle = ops.add(narrow(x), ops.scale(attended, residualScale))
    const fed = gatedMlp(context, norm(context, 'post_attention_layernorm', middle), biases?.mlp)
    return ops.add(middle, ops.scale(fed, residualScale))
  },
  ...finalNorm(),
}
