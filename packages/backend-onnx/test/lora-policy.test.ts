import { OnnxBackend } from '../src'
import { testAdapterPolicy } from './support/lora-policy'

testAdapterPolicy(new OnnxBackend({ threads: 1 }), [
  ['activations computed again', { activationMemory: 'recompute' }],
  ['two engines', { threads: 2 }],
  ['small micro-batches', { microBatchTokens: 12 }],
])
