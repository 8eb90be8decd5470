// What is compared with what, most important first. `target` is the ratio that the project holds itself to.

import { GEMM_SHAPE } from './lib/gemm.mjs'

/** Peers of an alignment step: their script, its arguments, and the ratio aimed at. */
const padded = (loss, target) => ({ name: 'PyTorch, padded', script: 'align_torch.py', args: ['--loss', loss], target })
const trl = (target, ...args) => ({
  name: args.includes('--precompute') ? 'TRL, precomputed reference' : 'TRL, default',
  script: 'dpo_trl.py',
  args,
  target,
})
const peft = (loss, target) => ({ name: 'PyTorch and PEFT, padded', script: 'align_peft.py', args: ['--loss', loss], target })

/** Peak memory aimed at, as a fraction of the peer's. */
const MEMORY_TARGET = 0.6

const align = (preset, loss, peers, memoryTarget = MEMORY_TARGET) => ({
  name: `align-${preset}-${loss}`,
  kind: 'align',
  preset,
  loss,
  peers,
  memoryTarget,
})

/** The workload's adapter is trained, and nothing else. */
const lora = (...job) => ({ ...align(...job), name: `lora-${job[0]}-${job[1]}`, lora: true })

/** The peer's best batch is 24 sequences at a time; its default of all at once is slower. */
const sample = (preset, questions, target, memoryTarget = MEMORY_TARGET) => ({
  name: `sample-${preset}`,
  kind: 'sample',
  preset,
  memoryTarget,
  args: ['--n-questions', String(questions), '--k', '6', '--max-new-tokens', '128'],
  peers: [{ name: 'HF generate, 24 at a time', script: 'sample_hf.py', args: ['--batch', '24'], target }],
})

const MAIN = [
  align('gsm', 'aft-bc', [padded('aft-bc', 1.7)]),
  align('gsm', 'aft-dc', [padded('aft-dc', 2)]),
  align('longprompt', 'aft-bc', [padded('aft-bc', 3.6)]),
  align('many', 'aft-bc', [padded('aft-bc', 2)]),
  align('gsm', 'dpo', [trl(2.2), trl(1.7, '--precompute')]),
  sample('gsm', 16, 2.5),
  sample('longprompt', 8, 4),
]

/** The shape of SmolLM2-135M: 30 layers, vocabulary 49,152. Steps of one question. */
const SMOL = [
  align('135m', 'aft-bc', [padded('aft-bc', 2.5)], 0.5),
  align('135m-long', 'aft-bc', [padded('aft-bc', 2.5)], 0.5),
  lora('135m', 'aft-bc', [peft('aft-bc', 2.5)], 0.5),
  align('135m', 'dpo', [trl(2, '--micro', '1')], 0.5),
  sample('135m', 4, 4, 0.5),
  // As many completions as the sampler takes at once.
  { ...sample('135m', 8, 4, 0.5), name: 'sample-135m-48' },
  { ...sample('135m', 4, 4, 0.5), name: 'sample-135m-prepacked', prepacked: true },
]

/** The same on models of 0.16M parameters: seconds, and good for checking that losses agree, not for timing. */
const TINY = [
  ...['aft-none', 'aft-dc', 'aft-bc', 'rrhf', 'pro', 'sft'].map((loss) => align('tiny', loss, [padded(loss)])),
  align('tiny', 'dpo', [padded('dpo'), trl(), trl(undefined, '--precompute')]),
  lora('135m-tiny', 'aft-bc', [peft('aft-bc')]),
  {
    name: 'sample-tiny',
    kind: 'sample',
    preset: 'tiny',
    args: ['--n-questions', '4', '--k', '6', '--max-new-tokens', '32'],
    peers: [{ name: 'HF generate, 24 at a time', script: 'sample_hf.py', args: ['--batch', '24'] }],
  },
].map((job) => ({ ...job, memoryTarget: undefined }))

/** Jobs that share a table, and the product, m × k × n, that their figures are held against: rows of a micro-batch through a layer. */
export const SUITES = [
  { jobs: MAIN, suffix: '', gemm: GEMM_SHAPE },
  { jobs: SMOL, suffix: '-135m', gemm: [1024, 576, 1536] },
]
export const TINY_SUITE = { jobs: TINY, suffix: '-tiny', gemm: GEMM_SHAPE }
