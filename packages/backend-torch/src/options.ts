import { z } from 'zod'

const affectsNoResult = { affectsResults: false } as const

export const torchOptions = z.strictObject({
  device: z
    .enum(['auto', 'cuda', 'mps', 'cpu'])
    .default('auto')
    .describe('`auto` takes an NVIDIA or AMD GPU that PyTorch works with, else the GPU of a Mac, else the CPU.'),
  dtype: z.enum(['bf16', 'f32']).optional().meta({
    description:
      '`bf16`: matrix products in bfloat16 over float32 weights (autocast), and with LoRA frozen weights in bfloat16. `f32`: float32 throughout.',
    whenAbsent: '`bf16` on CUDA, `f32` elsewhere',
  }),
  python: z
    .string()
    .min(1)
    .optional()
    .meta({
      ...affectsNoResult,
      description: 'The Python that has torch and transformers.',
      whenAbsent: 'the environment variable PLUMBLINE_PYTHON, else `python3` of the path',
    }),
  launch: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .meta({
      ...affectsNoResult,
      description:
        'The command that starts Python, in the place of `python`: `torchrun --nproc-per-node 8`, `ssh gpu1 env PYTHONPATH={module} python3`. `-m plumbline_torch` is added to it; `{module}` is the folder that holds it.',
    }),
  attention: z
    .enum(['sdpa', 'flex', 'varlen', 'padded'])
    .default('sdpa')
    .describe(
      '`sdpa`: PyTorch’s fused attention over packed rows, prompts computed once; where an architecture does not allow that, padded rows, which the first line of the run says. `flex` (CUDA): FlexAttention over the same rows. `varlen` (CUDA, `bf16`): the flash kernel for ragged rows. `padded`: always a row for each candidate.',
    ),
  sharding: z
    .enum(['none', 'full'])
    .default('none')
    .meta({
      ...affectsNoResult,
      description:
        'Of several processes (`launch: torchrun …`): `none`, each holds the whole model. `full`: each holds a part of weights, gradients and moments (FSDP2), and a layer is gathered while it is computed.',
    }),
  compile: z.boolean().optional().meta({
    description:
      'Whether layers are compiled by `torch.compile`. It needs a C++ compiler, on CUDA Triton; not together with `sharding: full`.',
    whenAbsent: 'they are not',
  }),
  activationMemory: z
    .enum(['keep', 'recompute'])
    .default('keep')
    .meta({
      ...affectsNoResult,
      description: 'Keep the forward pass’s activations for the backward pass (faster), or compute them again.',
    }),
  microBatchTokens: z.int().min(1).optional().meta({
    description: 'Most tokens of one micro-batch, prompts counted once.',
    whenAbsent: 'as many as a share of the free memory holds, by what a few rows were measured to take',
  }),
  threads: z
    .int()
    .min(1)
    .max(1024)
    .optional()
    .meta({ ...affectsNoResult, description: 'Threads of PyTorch on a CPU; its own choice when absent.' }),
})

export type TorchOptions = z.output<typeof torchOptions>
export type TorchDevice = TorchOptions['device']
export type TorchAttention = TorchOptions['attention']
