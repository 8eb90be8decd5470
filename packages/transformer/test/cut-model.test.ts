import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cutModel, loadModelConfig, parameterCount, parseModelConfig, type ConfigJson } from '../src'
import { FAMILY_CASES, fixtureFolder } from './families/fixtures'

const configOf = (name: string) =>
  parseModelConfig(JSON.parse(readFileSync(join(fixtureFolder(name), 'config.json'), 'utf8')) as ConfigJson, name)

describe('a cut model', () => {
  it.each(FAMILY_CASES)('has the widths of the whole, its first layer, and as much less of a vocabulary: %s', async (name) => {
    const whole = { ...configOf(name), vocabSize: 9600 }
    expect(whole.layers).toBeGreaterThan(1)
    const { source, config, tokenizer } = await cutModel({ kind: 'folder', path: fixtureFolder(name) }, whole, 1)
    const vocabSize = Math.round(9600 / whole.layers)
    const { bosId, eosIds, padId, ...numbers } = whole
    expect(config).toEqual({ ...numbers, layers: 1, vocabSize, attention: whole.attention.slice(0, 1), eosIds: [] })
    expect([bosId, eosIds, padId].some((id) => id !== undefined)).toBe(true)
    // An engine that is told the source and the tokenizer makes the same of it.
    expect([await loadModelConfig(source, tokenizer), tokenizer]).toEqual([config, { vocabularySize: vocabSize }])
  })

  it('of random weights has the fields of their architecture, and never more layers or words than there are', async () => {
    const architecture = { model_type: 'llama', hidden_size: 16, intermediate_size: 32, num_hidden_layers: 3, num_attention_heads: 2, max_position_embeddings: 64, vocab_size: 300 } // prettier-ignore
    const base = { kind: 'scratch', architecture, tokenizer: 'tokenizer', seed: 7 } as const
    const whole = parseModelConfig(architecture, 'test')
    const five = await cutModel({ kind: 'adapter', base, path: 'adapter' }, whole, 5)
    expect([five.config.layers, five.config.vocabSize, parameterCount(five.config)]).toEqual([3, 300, parameterCount(whole)])
    // Few words are no less than a batch needs.
    expect((await cutModel(base, whole, 1)).config.vocabSize).toBe(256)
    expect(five.source.tokenizer).toBe('tokenizer')
  })
})
