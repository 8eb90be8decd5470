import { OnnxBackend } from '../../src'
import { describeOnGpu, device } from '../support/device'
import { testFamilyFactors } from '../support/lora-families'
import { testAgainstPeft } from '../support/lora-peft'
import { testAdapterPolicy } from '../support/lora-policy'

// Every engine compiles its shaders anew, which takes a software adapter seconds.
jest.setTimeout(300_000)

describeOnGpu('adapters', () => {
  const backend = new OnnxBackend({ device })
  testAgainstPeft(backend)
  testAdapterPolicy(backend, [
    ['activations computed again', { activationMemory: 'recompute' }],
    ['small micro-batches', { microBatchTokens: 12 }],
  ])
  testFamilyFactors(backend)
})
