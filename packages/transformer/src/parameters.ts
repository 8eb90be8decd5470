import type { ModelConfig } from './config'

/** What decides the shapes of a model's parameters. */
export type ParameterDimensions = Pick<
  ModelConfig,
  'hiddenSize' | 'intermediateSize' | 'headDim' | 'vocabSize' | 'heads' | 'kvHeads' | 'layers' | 'tiedEmbeddings'
>

/** What a parameter does: what it is initialised to follows from that, not from its number of dimensions. */
export type ParameterKind = 'matrix' | 'norm' | 'bias'

/**
 * Every parameter of a model by its Hugging Face name, with its shape, in the order of the computation. Linear layers are
 * [out, in]. With tied embeddings there is no `lm_head.weight`: the head is `model.embed_tokens.weight`.
 *
 * One after the other: a config may claim more layers than there is memory for their names.
 */
export function* parameterList(config: ParameterDimensions): Generator<readonly [name: string, shape: readonly number[]]> {
  const { vocabSize, hiddenSize } = config
  yield ['model.embed_tokens.weight', [vocabSize, hiddenSize]]
  for (let layer = 0; layer < config.layers; layer++) {
    for (const [part, shape] of layerParameters(config)) yield [`model.layers.${layer}.${part}.weight`, shape]
  }
  yield ['model.norm.weight', [hiddenSize]]
  if (!config.tiedEmbeddings) yield ['lm_head.weight', [vocabSize, hiddenSize]]
}

/** {@link parameterList} as a map. */
export function parameterShapes(config: ParameterDimensions): Map<string, readonly number[]> {
  return new Map(parameterList(config))
}

/** Numbers in a model; a tied head counts once. */
export function parameterCount(config: ParameterDimensions): number {
  const sum = (parts: Iterable<readonly [string, readonly number[]]>) => [...parts].reduce((total, [, shape]) => total + elements(shape), 0)
  return sum(parameterList({ ...config, layers: 0 })) + config.layers * sum(layerParameters(config))
}

export function parameterKind(name: string): ParameterKind {
  if (name.endsWith('.bias')) return 'bias'
  return /(?:^|\.)(?:\w*norm|\w*layernorm)\.weight$/.test(name) ? 'norm' : 'matrix'
}

function layerParameters({ hiddenSize, intermediateSize, headDim, heads, kvHeads }: ParameterDimensions): [string, readonly number[]][] {
  const [queries, keys] = [heads * headDim, kvHeads * headDim]
  return [
    ['input_layernorm', [hiddenSize]],
    ['self_attn.q_proj', [queries, hiddenSize]],
    ['self_attn.k_proj', [keys, hiddenSize]],
    ['self_attn.v_proj', [keys, hiddenSize]],
    ['self_attn.o_proj', [hiddenSize, queries]],
    ['post_attention_layernorm', [hiddenSize]],
    ['mlp.gate_proj', [intermediateSize, hiddenSize]],
    ['mlp.up_proj', [intermediateSize, hiddenSize]],
    ['mlp.down_proj', [hiddenSize, intermediateSize]],
  ]
}

export const elements = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)
