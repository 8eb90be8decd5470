import { frozenParameters } from '../../src'

const layers = Array.from({ length: 12 }, (_, layer) => [
  `model.layers.${layer}.mlp.up_proj.weight`,
  `model.layers.${layer}.input_layernorm.weight`,
])
const names = ['model.embed_tokens.weight', ...layers.flat(), 'model.norm.weight', 'lm_head.weight']
const frozen = (...patterns: string[]) => [...frozenParameters(patterns, names)]

describe('frozenParameters', () => {
  it('takes a pattern without signs as a name', () => {
    expect(frozen('lm_head.weight')).toEqual(['lm_head.weight'])
    // a dot is a dot
    expect(() => frozen('lm_head_weight')).toThrow('fits no parameter')
  })

  it('takes * for any characters, none included', () => {
    expect(frozen('model.embed_tokens.*', 'model.norm*.weight')).toEqual(['model.embed_tokens.weight', 'model.norm.weight'])
    expect(frozen('*layernorm*')).toHaveLength(12)
  })

  it('takes {a..b} for the numbers from a to b, both included', () => {
    expect(frozen('model.layers.{0..1}.*')).toEqual(layers.slice(0, 2).flat())
    expect(frozen('model.layers.{1..1}.*')).toEqual(layers[1])
    expect(frozen('model.layers.{9..99}.mlp.*')).toEqual([9, 10, 11].map((layer) => layers[layer]![0]))
  })

  it('takes nothing where there are no patterns', () => {
    expect(frozen()).toEqual([])
  })

  it('refuses a pattern that fits nothing, with the names there are', () => {
    expect(() => frozenParameters(['model.norm.*', 'transformer.*'], names, 'sft: freeze')).toThrow(
      expect.objectContaining({
        code: 'PLUMB_FREEZE_UNKNOWN',
        where: 'sft: freeze',
        message:
          '"transformer.*" fits no parameter of the model. There are: model.embed_tokens.weight, model.layers.{0..11}.mlp.up_proj.weight, ' +
          'model.layers.{0..11}.input_layernorm.weight, model.norm.weight, lm_head.weight.',
      }) as Error,
    )
  })

  it('refuses to leave nothing', () => {
    expect(() => frozen('*')).toThrow(expect.objectContaining({ code: 'PLUMB_FREEZE_ALL' }) as Error)
  })
})
