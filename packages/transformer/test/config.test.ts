import { parseModelConfig } from '../src'
import { TINY_CONFIG } from './support/tiny-model'

const parse = (overrides: Record<string, unknown>) => parseModelConfig({ ...TINY_CONFIG, ...overrides }, 'model/config.json')

describe('parseModelConfig', () => {
  it.each([
    'rope_parameters',
    'rope_scaling',
    'mlp_bias',
    'num_attention_heads',
    'vocab_size',
    'tie_word_embeddings',
    'eos_token_id',
    'model_type',
    'hidden_act',
  ])('refuses a %s that is nested 20,000 deep with a sentence', (key) => {
    const deep = JSON.parse('['.repeat(20_000) + ']'.repeat(20_000)) as unknown
    expect(() => parse({ [key]: deep })).toThrow(/\(nested too deeply to show\)/)
  })

  describe("GPT-2's dropout", () => {
    const gpt2 = { model_type: 'gpt2', vocab_size: 8, n_embd: 4, n_layer: 1, n_head: 2 }
    const notices = (fields: object) => parseModelConfig({ ...gpt2, ...fields }, 'model/config.json').notices

    it('is said not to be applied, with its fields, also where only the default of transformers asks for it', () => {
      const [notice, ...others] = notices({ attn_pdrop: 0, resid_pdrop: 0.2 })!
      expect(others).toEqual([])
      expect(notice).toBe(
        'config.json asks for dropout in training (embd_pdrop 0.1, resid_pdrop 0.2), which is not applied: the model is trained without it.',
      )
      expect(notices({ attn_pdrop: 0, embd_pdrop: 0, resid_pdrop: 0 })).toBeUndefined()
    })

    it.each([-0.1, 1.5, 'much', [0.1]])('of %j is refused', (attn_pdrop) => {
      expect(() => notices({ attn_pdrop })).toThrow(
        expect.objectContaining({ code: 'PLUMB_MODEL_CONFIG', message: expect.stringContaining('attn_pdrop') as string }),
      )
    })
  })

  it('fills in the defaults of transformers', () => {
    const config = parse({
      num_key_value_heads: undefined,
      rms_norm_eps: undefined,
      max_position_embeddings: undefined,
      tie_word_embeddings: undefined,
    })
    expect(config).toMatchObject({
      kvHeads: 4,
      headDim: 2,
      normEps: 1e-6,
      maxPositions: 2048,
      ropes: { rope: { theta: 10_000, factor: 1 } },
      tiedEmbeddings: false,
      initializerRange: 0.02,
      eosIds: [],
    })
  })

  it('reads the rotary base from where either generation of transformers writes it', () => {
    expect(parse({ rope_theta: 5e5 }).ropes.rope?.theta).toBe(5e5)
    expect(parse({ rope_parameters: { rope_theta: 2e4, rope_type: 'default' } }).ropes.rope?.theta).toBe(2e4)
    expect(parse({ rope_theta: 5e5, rope_scaling: null }).ropes.rope?.theta).toBe(5e5)
    // As transformers 5.18's LlamaConfig resolves them.
    const [nested, legacy] = [
      { rope_type: 'default', rope_theta: 3e5 },
      { rope_type: 'default', rope_theta: 7e5 },
    ]
    expect(parse({ rope_scaling: legacy, rope_theta: 5e5 }).ropes.rope?.theta).toBe(7e5)
    expect(parse({ rope_parameters: nested, rope_theta: 5e5 }).ropes.rope?.theta).toBe(3e5)
    expect(parse({ rope_parameters: nested, rope_scaling: legacy }).ropes.rope?.theta).toBe(7e5)
    expect(parse({ rope_parameters: nested, rope_scaling: { type: 'default' }, rope_theta: 5e5 }).ropes.rope?.theta).toBe(5e5)
    expect(parse({ rope_parameters: nested, rope_scaling: {}, rope_theta: 5e5 }).ropes.rope?.theta).toBe(3e5)
    expect(parse({ rope_parameters: { rope_type: 'default' }, rope_theta: 5e5 }).ropes.rope?.theta).toBe(5e5)
  })

  it('reads one end-of-text token or several', () => {
    expect(parse({ eos_token_id: 2, bos_token_id: 1, pad_token_id: null })).toMatchObject({ eosIds: [2], bosId: 1, padId: undefined })
    expect(parse({ eos_token_id: [2, 9], pad_token_id: -1 })).toMatchObject({ eosIds: [2, 9], padId: undefined })
  })

  it.each([
    [{ model_type: 'mamba' }, expect.stringMatching(/^model_type "mamba" is not supported; supported: llama, .*qwen3.*\.$/)],
    [{ model_type: undefined }, expect.stringMatching(/^model_type \(absent\) is not supported; supported: llama, /)],
    [{ model_type: '__proto__' }, expect.stringContaining('model_type "__proto__" is not supported')],
    [{ hidden_act: 'gelu' }, 'hidden_act "gelu" is not supported; supported: "silu".'],
    [
      { rope_scaling: { type: 'ntk', factor: 2 } },
      expect.stringContaining('rope_scaling of type "ntk" is not supported; supported: "default", '),
    ],
    [
      { rope_parameters: { rope_type: 'proportional' } },
      expect.stringContaining('rope_parameters of type "proportional" is not supported'),
    ],
    [{ rope_parameters: { partial_rotary_factor: 0.5 } }, 'rope_parameters.partial_rotary_factor 0.5 is not supported; supported: 1.'],
    [{ partial_rotary_factor: 0.5 }, 'partial_rotary_factor 0.5 is not supported; supported: 1.'],
    [{ rope_scaling: { partial_rotary_factor: 0.5 } }, 'rope_scaling.partial_rotary_factor 0.5 is not supported; supported: 1.'],
    [{ attention_dropout: 0.1 }, 'attention_dropout 0.1 is not supported: nothing is dropped in training here; supported: 0.'],
    [{ quantization_config: { bits: 4 } }, expect.stringContaining('quantization_config is not supported')],
  ])('refuses %j', (overrides, message) => {
    expect(() => parse(overrides)).toThrow(
      expect.objectContaining({ code: 'PLUMB_MODEL_UNSUPPORTED', message, where: 'model/config.json' }),
    )
  })

  it.each([
    [{ hidden_size: undefined }, 'hidden_size is missing; expected a positive whole number.'],
    [{ num_hidden_layers: '2' }, 'num_hidden_layers is "2"; expected a positive whole number.'],
    [{ num_key_value_heads: 3 }, 'num_attention_heads (4) must be a multiple of num_key_value_heads (3).'],
    [{ hidden_size: 9 }, 'hidden_size (9) must be a multiple of num_attention_heads (4) where head_dim is not given.'],
    [{ head_dim: 3 }, 'head_dim is 3; rotary embeddings need an even number.'],
    [{ rms_norm_eps: -1 }, 'rms_norm_eps is -1; expected a positive number.'],
    [{ tie_word_embeddings: 'no' }, 'tie_word_embeddings is "no"; expected true or false.'],
    [{ eos_token_id: 'x' }, 'eos_token_id is "x"; expected a token id, a list of token ids, or null.'],
    [{ rope_scaling: 3 }, 'rope_scaling is 3; expected an object or null.'],
    [{ rope_scaling: { type: 'linear' } }, 'rope_scaling.factor is missing; expected a positive number.'],
    [{ rope_parameters: { rope_type: 'llama3', factor: 8 } }, 'rope_parameters.low_freq_factor is missing; expected a positive number.'],
    [
      { rope_scaling: { type: 'llama3', factor: 8, low_freq_factor: 4, high_freq_factor: 1 } },
      'low_freq_factor (4) must be below high_freq_factor (1).',
    ],
    [{ attention_bias: 'yes' }, 'attention_bias is "yes"; expected true or false.'],
  ])('names the malformed field of %j', (overrides, message) => {
    expect(() => parse(overrides)).toThrow(expect.objectContaining({ code: 'PLUMB_MODEL_CONFIG', message }))
  })

  it('takes a window that is as long as the context for none, and refuses sliding layers without one', () => {
    const windows = (fields: Record<string, unknown>) => {
      const types = ['sliding_attention', 'full_attention']
      return parse({ layer_types: types, num_hidden_layers: 2, max_position_embeddings: 64, ...fields }).attention.map(
        ({ window }) => window,
      )
    }
    const gemma = { model_type: 'gemma2', hidden_act: null, head_dim: 2 }
    expect(windows({ ...gemma, sliding_window: 16 })).toEqual([16, undefined])
    expect(windows({ ...gemma, sliding_window: 64 })).toEqual([undefined, undefined])
    const qwen = { model_type: 'qwen2', use_sliding_window: false, sliding_window: 16 }
    expect(() => windows(qwen)).toThrow('layer_types names "sliding_attention", but there is no sliding_window.')
  })
})
