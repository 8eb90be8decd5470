import { testFamilyFactors } from '../../backend-onnx/test/support/lora-families'
import { testAgainstPeft } from '../../backend-onnx/test/support/lora-peft'
import { testAdapterPolicy } from '../../backend-onnx/test/support/lora-policy'
import { GpuBackend } from '../src'

// The other devices run the same operations; what differs between them is tested with one model.
const backend = new GpuBackend({ device: 'javascript' })

testAgainstPeft(backend)
testAdapterPolicy(backend, [['small micro-batches', { microBatchTokens: 12 }]], 8)
// One of each way in which a layer uses its matrices; the ONNX engine takes them all, and what is a family's own is shared.
testFamilyFactors(backend, ['llama-plain', 'qwen2', 'gemma3', 'phi3-partial', 'olmo2', 'gpt2'])
