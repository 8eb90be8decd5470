import { testFamilyFactors } from '../../../backend-onnx/test/support/lora-families'
import { testAgainstPeft } from '../../../backend-onnx/test/support/lora-peft'
import { testAdapterPolicy } from '../../../backend-onnx/test/support/lora-policy'
import { TorchBackend } from '../../src'
import { describeWhole } from '../support/python'

describeWhole('adapters on PyTorch', (python) => {
  const backend = new TorchBackend({ python, device: 'cpu', threads: 1 })
  testAgainstPeft(backend)
  testAdapterPolicy(backend, [
    ['small micro-batches', { microBatchTokens: 12 }],
    ['activations computed again', { activationMemory: 'recompute' }],
  ])
  testFamilyFactors(backend)
})
