// What bench/gpu.mjs measures: shapes with random weights, questions of random tokens, and who computes them. Nothing is read but this file, so that a machine without a
// network has it all.

const qwen = (hidden, layers, heads, kvHeads, feedForward, tied) => ({
  model_type: 'qwen2',
  hidden_size: hidden,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  intermediate_size: feedForward,
  vocab_size: 151_936,
  tie_word_embeddings: tied,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-6,
})

const llama = (hidden, layers, heads, kvHeads, feedForward, vocabulary) => ({
  model_type: 'llama',
  hidden_size: hidden,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  intermediate_size: feedForward,
  vocab_size: vocabulary,
  tie_word_embeddings: true,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
})

/** By the names of the table. `tiny` is for rehearsals. */
export const SHAPES = {
  tiny: llama(64, 2, 4, 2, 172, 512),
  '27.8M': llama(512, 8, 8, 4, 1408, 8192),
  'SmolLM2-135M': llama(576, 30, 9, 3, 1536, 49_152),
  'Qwen2.5-0.5B': qwen(896, 24, 14, 2, 4864, true),
  'Qwen2.5-1.5B': qwen(1536, 28, 12, 2, 8960, true),
}

/** [mean, spread, least, most] tokens: those of the benchmark's workloads `gsm` and `longprompt`. */
const LENGTHS = {
  short: { prompt: [96, 25, 40, 200], completion: [128, 48, 32, 256] },
  long: { prompt: [512, 60, 384, 640], completion: [64, 20, 24, 128] },
  tiny: { prompt: [9, 3, 5, 14], completion: [7, 3, 3, 12] },
}
export const CANDIDATES = 6
export const NEW_TOKENS = { tiny: 8, full: 128 }
/** Of the losses: the boundary's β, and the weight of the references' likelihood. */
export const LOSS = { beta: 0.15, sftWeight: 1 }
export const OPTIMIZER = { lr: 1e-5, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 }
export const LORA = { rank: 16, alpha: 32, rslora: false, dropout: 0 }

/** Uniform numbers in [0, 1) (mulberry32): the same questions on every machine. */
function stream(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** @returns questions with six candidates each, of which the first is right, and the reference; the others are right or wrong by a coin. */
export function questionsOf(count, prompts, vocabulary, seed) {
  const uniform = stream(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
  const length = ([mean, spread, least, most]) => Math.min(most, Math.max(least, Math.round(mean + spread * normal())))
  // 0 pads, 1 begins, 2 ends.
  const noise = (n) => Array.from({ length: n }, () => 3 + Math.floor(uniform() * (vocabulary - 3)))
  const { prompt, completion } = LENGTHS[prompts]
  return Array.from({ length: count }, (_, q) => ({
    id: `q${q}`,
    prompt: [1, ...noise(length(prompt) - 1)],
    completions: Array.from({ length: CANDIDATES }, () => [...noise(length(completion) - 1), 2]),
    positive: Array.from({ length: CANDIDATES }, (_, c) => c === 0 || (c < CANDIDATES - 1 && uniform() < 0.5)),
  }))
}

const STEPS = { warmup: 1, timed: 3 }

/** One row of the table for each engine: `{ kind, shape, mode, questions, prompts }`. */
const step = (shape, mode, questions, prompts) => ({ kind: 'step', shape, mode, questions, prompts, ...STEPS })
const sample = (shape, questions, prompts) => ({
  kind: 'sample',
  shape,
  mode: 'sample',
  questions,
  prompts,
  k: CANDIDATES,
  warmup: 1,
  timed: 1,
})

export const keyOf = ({ shape, mode, questions, prompts }) => `${shape} ${mode} ${questions} ${prompts}`

/** Cases of a shape, in the order in which both sides compute them: weights move with every step, and losses are compared. */
function casesOf(shape) {
  if (shape === 'tiny')
    return [step(shape, 'full', 2, 'tiny'), step(shape, 'full', 3, 'tiny'), step(shape, 'lora', 2, 'tiny'), sample(shape, 2, 'tiny')]
  const modes = ['full', 'lora'].flatMap((mode) =>
    [4, 16].flatMap((questions) => ['short', 'long'].map((prompts) => step(shape, mode, questions, prompts))),
  )
  return [...modes, sample(shape, 16, 'short')]
}

/** In float32 a step of the large shapes takes seconds: four questions say it all. */
const inFloat32 =
  (shape) =>
  ({ kind, questions }) =>
    kind === 'step' && (questions === 4 || shape === 'tiny' || shape === '27.8M')
const onWebGpu = ({ kind, questions, mode, prompts }) => mode !== 'lora' && (questions !== 16 || kind === 'sample') && prompts !== 'long'

/** What may be faster than packed rows with `sdpa`, by the side's name: options of the backend. None has run on a GPU before. */
const VARIANTS = { 'torch: flex': { attention: 'flex' }, 'torch: varlen': { attention: 'varlen' }, 'torch: compiled': { compile: true } }
/** Rehearsed is that a variant is run and put into the table. */
const REHEARSED = { 'torch: padded': { attention: 'padded' } }
const VARIED = 'Qwen2.5-0.5B'

/** Steps of all weights, in bfloat16, in the same order as the usual ones: losses are compared. */
function variantsOf(shape, cases, device) {
  const variants = shape === 'tiny' ? REHEARSED : shape === VARIED && device === 'cuda' ? VARIANTS : {}
  const steps = cases.filter(({ kind, mode }) => kind === 'step' && mode === 'full')
  return Object.entries(variants).map(([side, options]) => ({ side, shape, device, options, dtypes: [['bf16', steps]] }))
}

/**
 * What is run, most telling first: a process for each, which computes its cases one after the other.
 * @returns `{ side, shape, device, dtypes: [[dtype, cases], …] }`; `side` is `padded`, `torch`, a variant of it, or `onnx`
 */
export function planOf({ tiny, device }) {
  const shapes = tiny ? ['tiny'] : ['SmolLM2-135M', 'Qwen2.5-0.5B', '27.8M', 'Qwen2.5-1.5B']
  return shapes.flatMap((shape) => {
    const cases = casesOf(shape)
    const both = [
      ['bf16', cases],
      ['f32', cases.filter(inFloat32(shape))],
    ]
    const hasOnnx = tiny || shape === '27.8M' || shape === 'SmolLM2-135M'
    return [
      { side: 'padded', shape, device, dtypes: both },
      { side: 'torch', shape, device, dtypes: both },
      ...variantsOf(shape, cases, device),
      ...(hasOnnx
        ? [
            {
              side: 'onnx',
              shape,
              device: device === 'cpu' ? 'cpu' : 'webgpu',
              dtypes: [['f32', cases.filter(tiny ? () => true : onWebGpu)]],
            },
          ]
        : []),
    ]
  })
}
