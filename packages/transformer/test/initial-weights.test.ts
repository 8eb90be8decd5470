import { initialWeights, parameterCount, parameterKind, parseModelConfig } from '../src'
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
    const kinds = [...weights.keys()].map((name) => [name.replace(/\d+/, 'n'), parameterKind(name)])
    expect(Object.fromEntries(kinds)).toEqual({
      'model.embed_tokens.weight': 'matrix',
      'model.layers.n.input_layernorm.weight': 'norm',
      ...Object.fromEntries(['q', 'k', 'v', 'o'].map((part) => [`model.layers.n.self_attn.${part}_proj.weight`, 'matrix'])),
      'model.layers.n.post_attention_layernorm.weight': 'norm',
      ...Object.fromEntries(['gate', 'up', 'down'].map((part) => [`model.layers.n.mlp.${part}_proj.weight`, 'matrix'])),
      'model.norm.weight': 'norm',
      'lm_head.weight': 'matrix',
    })
    expect(
      ['model.layers.0.self_attn.q_proj.bias', 'transformer.h.0.ln_1.bias', 'model.layers.0.self_attn.q_norm.weight'].map(parameterKind),
    ).toEqual(['bias', 'bias', 'norm'])
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
