import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testBackend } from '@plumbline/conformance'
import { wordLevelTokenizerConfig, wordLevelTokenizerJson } from '@plumbline/transformer'
import { GpuBackend } from '../src'
import { describeDevices } from './support/devices'

const tokenizer = mkdtempSync(join(tmpdir(), 'plumbline-conformance-'))
writeFileSync(join(tokenizer, 'tokenizer.json'), JSON.stringify(wordLevelTokenizerJson(Array.from('abcdefgh'))))
writeFileSync(join(tokenizer, 'tokenizer_config.json'), JSON.stringify(wordLevelTokenizerConfig()))
afterAll(() => rmSync(tokenizer, { recursive: true }))

const architecture = {
  model_type: 'llama',
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  initializer_range: 0.5,
}

describeDevices('the TensorFlow.js backend', (device) => {
  testBackend({
    name: `gpu on ${device}`,
    factory: () => new GpuBackend({ device }),
    model: { kind: 'scratch', architecture, tokenizer, seed: 1 },
  })
})
