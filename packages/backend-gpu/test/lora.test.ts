import { testFamilyFactors } from '../../backend-onnx/test/support/lora-families'
import { testAgainstPeft } from '../../backend-onnx/test/support/lora-peft'
import { testAdapterPolicy } from '../../backend-onnx/test/support/lora-policy'
import { GpuBackend } from '../src'

// The other devices run the same operations; what differs between them is tested with one model.
const backend = new GpuBackend({ device: 'javascript' })

testAgainstPeft(backend)
testAdapterPolicy(backend, [['small micro-batches', { microBatchTokens: 12 }]], 8)
// Norms around a layer, and matrices stored the other way round with biases; the ONNX engine takes all families, and what is a family's own is shared.
testFamilyFactors(backend, ['gemma3', 'gpt2'])
