import { configText } from '../src'

// transformers 5.18 refuses such a folder: "Field 'final_logit_softcapping' expected float, got int".
it('numbers that transformers wants as floats stay floats, and no others become them', () => {
  const json = {
    hidden_size: 64,
    final_logit_softcapping: 30,
    nested: { attn_logit_softcapping: 50 },
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
  }
  const text = configText(json, 'float32')
  expect(text).toContain('"final_logit_softcapping": 30.0,')
  expect(text).toContain('"attn_logit_softcapping": 50.0\n')
  expect(text).toContain('"hidden_size": 64,')
  expect(text).toContain('"rope_theta": 10000,')
  expect(JSON.parse(text)).toEqual({ ...json, dtype: 'float32' })
})
