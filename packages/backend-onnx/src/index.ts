import { definePlugin } from '@plumbline/core'
import { z } from 'zod'
import { OnnxBackend } from './onnx-backend'
import { MOST_THREADS } from './options'

export { OnnxBackend, runtimeVersion } from './onnx-backend'

export const onnxOptions = z.strictObject({
  device: z
    .string()
    .optional()
    .describe('`cpu`, `webgpu` (the best GPU), or `webgpu:` and a part of an adapter’s name, which alone lets a software adapter in.'),
  threads: z.int().positive().max(MOST_THREADS).optional().describe('Threads of an operator; all cores when absent, 256 at most.'),
  engines: z
    .int()
    .positive()
    .max(256)
    .optional()
    .describe(
      'Engines that share the work, each with the whole model and its part of the threads; one per thread for models of up to 2M parameters, else one.',
    ),
  microBatchTokens: z
    .int()
    .positive()
    .optional()
    .describe(
      'Most tokens of one micro-batch, prompts counted once; when absent as many as keep 288 MiB of activations, from 100M parameters on 512 MiB or more (docs/memory.md).',
    ),
  activationMemory: z
    .enum(['keep', 'recompute'])
    .default('keep')
    .describe('Keep the forward pass’s activations for the backward pass (faster), or compute them again (less memory).'),
  activationCheckpointing: z
    .enum(['auto', 'layers', 'none'])
    .optional()
    .describe(
      'Compute the model one layer after the other, with each layer’s input kept and the rest computed again. `auto` (when absent): what has more tokens than may keep its activations in one piece, as one long candidate (docs/memory.md). `layers`: everything. `none`: nothing.',
    ),
  frozenWeights: z
    .enum(['auto', 'float32'])
    .optional()
    .describe(
      'How weights that nothing trains are held beside an adapter. `auto` (when absent): as the files hold them, on the CPU, and widened in front of each product. `float32`: widened once, which takes more memory and less time; the same bits come out (docs/memory.md).',
    ),
  prepackedWeights: z
    .boolean()
    .optional()
    .describe(
      'Sample from a second copy of the weights that is packed for matrix products, on the CPU: faster by about a third where the model has tens of millions of parameters or more, for 1.4 times the memory of its float32 weights. When absent, only for weights of up to 32 MiB. Other last bits than without.',
    ),
})

export default definePlugin({
  name: '@plumbline/backend-onnx',
  apiVersion: 1,
  register: (registry) => registry.backend('onnx', { options: onnxOptions, create: (options) => new OnnxBackend(options) }),
})
