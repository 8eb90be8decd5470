import { initialWeights, parameterCount, parameterList, parseModelConfig } from '../src'
import { TINY_CONFIG } from './support/tiny-model'

const config = parseModelConfig(
  { ...TINY_CONFIG, vocab_size: 500, hidden_size: 64, intermediate_size: 200, initializer_range: 0.05 },
  'test',
)

/** Mean, standard deviation and excess kurtosis. */
function moments(data: Float32Array) {
  const mean = data.reduce((sum, x) => sum + x, 0) / data.length
  const central = (power: number) => data.reduce((sum, x) => sum + (x - mean) ** power, 0) / data.length
  return { mean, deviation: Math.sqrt(central(2)), kurtosis: central(4) / central(2) ** 2 - 3 }
}

describe('initialWeights', () => {
  const weights = initialWeights(config, 7)

  it('draws matrices from normal(0, initializer_range)', () => {
    const { data } = weights.get('model.embed_tokens.weight')!
    const { mean, deviation, kurtosis } = moments(data)
    // Five standard errors of each estimate.
    expect(Math.abs(mean)).toBeLessThan((5 * 0.05) / Math.sqrt(data.length))
    expect(Math.abs(deviation / 0.05 - 1)).toBeLessThan(5 / Math.sqrt(2 * data.length))
    expect(Math.abs(kurtosis)).toBeLessThan(5 * Math.sqrt(24 / data.length))
  })

  it('divides residual projections by √(2·layers), unless asked not to', () => {
    const name = 'model.layers.0.mlp.down_proj.weight'
    const unscaled = initialWeights(config, 7, { scaleResidual: false })
    expect(moments(unscaled.get(name)!.data).deviation / moments(weights.get(name)!.data).deviation).toBeCloseTo(2, 5)
    expect(unscaled.get('model.layers.0.mlp.up_proj.weight')).toEqual(weights.get('model.layers.0.mlp.up_proj.weight'))
  })

  it('starts the norms at one', () => {
    expect(new Set(weights.get('model.layers.1.post_attention_layernorm.weight')!.data)).toEqual(new Set([1]))
  })

  it('knows a parameter by what it does, not by its number of dimensions', () => {
    const biased = parseModelConfig(
      { ...TINY_CONFIG, tie_word_embeddings: false, attention_bias: true, mlp_bias: true, num_hidden_layers: 1 },
      'config.json',
    )
    expect(Object.fromEntries(Array.from(parameterList(biased), ({ name, initial }) => [name, initial]))).toEqual({
      'model.embed_tokens.weight': 'normal',
      'model.layers.0.input_layernorm.weight': 1,
      ...Object.fromEntries(['q', 'k', 'v'].map((part) => [`model.layers.0.self_attn.${part}_proj.weight`, 'normal'])),
      'model.layers.0.self_attn.o_proj.weight': 'residual',
      ...Object.fromEntries(['q', 'k', 'v', 'o'].map((part) => [`model.layers.0.self_attn.${part}_proj.bias`, 0])),
      'model.layers.0.post_attention_layernorm.weight': 1,
      ...Object.fromEntries(['gate', 'up'].map((part) => [`model.layers.0.mlp.${part}_proj.weight`, 'normal'])),
      'model.layers.0.mlp.down_proj.weight': 'residual',
      ...Object.fromEntries(['gate', 'up', 'down'].map((part) => [`model.layers.0.mlp.${part}_proj.bias`, 0])),
      'model.norm.weight': 1,
      'lm_head.weight': 'normal',
    })
  })

  it('counts the parameters of an architecture without a list of them', () => {
    expect(parameterCount(config)).toBe([...weights.values()].reduce((sum, { data }) => sum + data.length, 0))
    expect(parameterCount({ ...config, layers: 1e9 })).toBeGreaterThan(1e13)
  })

  it('depends on the seed and the name of a tensor, on nothing else', () => {
    const deeper = initialWeights({ ...config, layers: 3 }, 7, { scaleResidual: false })
    expect(deeper.get('model.layers.1.mlp.up_proj.weight')).toEqual(weights.get('model.layers.1.mlp.up_proj.weight'))
    expect(initialWeights(config, 8).get('lm_head.weight')).not.toEqual(weights.get('lm_head.weight'))
    expect(weights.get('model.layers.0.mlp.up_proj.weight')).not.toEqual(weights.get('model.layers.1.mlp.up_proj.weight'))
  })

  it('draws independent neighbours', () => {
    const { data } = weights.get('lm_head.weight')!
    let product = 0
    for (let i = 1; i < data.length; i++) product += data[i]! * data[i - 1]!
    expect(Math.abs(product / data.length / 0.05 ** 2)).toBeLessThan(5 / Math.sqrt(data.length))
  })
})
