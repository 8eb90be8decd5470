import { z } from 'zod'

/**
 * A whole number of at least `min`. The upper bounds are far beyond what anybody needs, and below what ends in an exhausted memory or
 * in a million threads: a slip of the keyboard is said at once.
 */
const whole = (min: number, max?: number) => (max === undefined ? z.int().min(min) : z.int().min(min).max(max))

const MOST_STEPS = 100_000_000
const MOST_TOKENS = 1_048_576
const MOST_ROUNDS = 100

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/
const NAME_RULE = 'must be made of letters, digits, ".", "_" and "-", and start with a letter or digit'
const sourceName = z.string().max(64).regex(NAME, NAME_RULE)

/** Keys beside these are the reader's own options, validated by its schema. */
export const dataSourceSchema = z.looseObject({
  path: z.string().min(1).describe('The file.'),
  format: z
    .string()
    .default('groups')
    .describe('A registered reader: `groups`, `qa`, `gsm8k`, `preference`, … Its own options stand beside it.'),
  limit: whole(1).optional().describe('Only the first n records.'),
  name: sourceName.optional().meta({
    description: 'What a source of several is called: in the report, in messages, and in front of the ids of its records.',
    whenAbsent: "the file's name without its extension",
  }),
  weight: z.number().positive().optional().meta({
    description:
      'The share of this source among several of `data.train` or `data.questions`: of weights 2 and 1, two records in three are of the first. All have one, or none.',
    whenAbsent: 'every record of every source once',
  }),
  columns: z
    .record(z.string().min(1), z.string().min(1))
    .optional()
    .describe(
      "Where the file calls things otherwise: a field of the format, and the file's column (or key) that holds it, e.g. `{ question: query }`.",
    ),
  onInvalid: z.enum(['error', 'skip']).optional().meta({
    description: 'A record that the format refuses ends the run, or is left out and counted by its reason.',
    whenAbsent: '`error`',
  }),
})

/** The names of PEFT's LoraConfig without their prefixes, in camel case; its defaults but for `targetModules`. */
export const loraSchema = z.strictObject({
  rank: whole(1, 65_536)
    .default(8)
    .describe("Rank of the factors A and B (PEFT's `r`); at most the smaller side of every matrix it is of."),
  alpha: z.number().positive().default(8).describe("B·A is scaled by alpha / rank (PEFT's `lora_alpha`)."),
  rslora: z.boolean().default(false).describe("Scale by alpha / √rank (PEFT's `use_rslora`; arXiv:2312.03732)."),
  dropout: z.number().min(0).lt(1).default(0).describe("Probability that an input of A is dropped in training (PEFT's `lora_dropout`)."),
  targetModules: z
    .union([z.literal('all-linear', { error: 'must be "all-linear" or a list of names' }), z.array(z.string().min(1)).min(1)])
    .default('all-linear')
    .describe(
      'Which matrices get factors: every linear layer but the head, or a list of the last parts of their names, e.g. `[q_proj, v_proj]`.',
    ),
})

/** What every training stage shares. Names follow the field (PyTorch, TRL) in camel case. */
export const trainingSchema = z.strictObject({
  steps: whole(0, MOST_STEPS).optional().describe('Optimizer steps. Exactly one of `steps` and `epochs` must be given.'),
  epochs: z.number().positive().max(100_000).optional().describe('Passes over the data, instead of `steps`; fractions are allowed.'),
  batchSize: whole(1, 1_000_000)
    .default(16)
    .describe('Questions (reference chains in `sft`) per optimizer step, however many micro-batches they need.'),
  learningRate: z.number().positive().default(1e-5).describe('The peak learning rate of AdamW.'),
  schedule: z.enum(['constant', 'linear', 'cosine']).default('cosine').describe('The learning rate after the warm-up.'),
  warmupSteps: whole(0, MOST_STEPS).default(0).describe('Steps over which the learning rate rises linearly to its peak.'),
  finalLearningRateRatio: z.number().min(0).max(1).default(0).describe('Where `linear` and `cosine` end, as a fraction of `learningRate`.'),
  betas: z
    .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
    .default([0.9, 0.999])
    .describe('β₁ and β₂ of AdamW.'),
  epsilon: z.number().positive().default(1e-8).describe('ε of AdamW.'),
  weightDecay: z.number().min(0).default(0).describe('Decoupled weight decay of AdamW.'),
  maxGradNorm: z.number().positive().nullable().default(1).describe('Global L2 norm that gradients are clipped to; `null` for none.'),
  freeze: z
    .array(z.string().min(1))
    .optional()
    .describe(
      'Parameters that are not trained, by name: `*` stands for any characters, `{0..3}` for the numbers 0 to 3, e.g. `[model.embed_tokens.*, "model.layers.{0..3}.*"]`.',
    ),
  moments: z
    .enum(['float32', 'bfloat16'])
    .optional()
    .describe(
      'How AdamW holds its moments between steps; `float32` when absent. `bfloat16` takes 4 bytes a parameter less and needs `betas[1]` of at most 0.992: a second moment that shrinks by less than its last bit would never shrink.',
    ),
  lora: loraSchema
    .optional()
    .describe(
      "Train low-rank factors (LoRA, arXiv:2106.09685) and leave every weight as it is; the stage then hands on an adapter in PEFT's format. `{}` takes the defaults.",
    ),
  checkpointEvery: whole(1, MOST_STEPS)
    .default(50)
    .describe('Optimizer steps between resumable checkpoints. Does not change the result: finished work stays finished.'),
  validateEvery: whole(1, MOST_STEPS).optional().meta({
    description: 'Optimizer steps between looks at `data.validation`, beside the one after the last step. Does not change the result.',
    whenAbsent: '`checkpointEvery`',
  }),
})

/** One term of the objective; keys beside `loss` and `weight` are the loss's own options, validated by its schema. */
export const lossEntrySchema = z.looseObject({
  loss: z.string().describe('A registered loss, or `sft`: the mean token negative log-likelihood of the reference chains (L_VFT).'),
  weight: z.number().min(0).default(1).describe('Its factor in the sum.'),
})

export const alignVariantSchema = trainingSchema.extend({
  name: z.string().max(64).regex(NAME, NAME_RULE).meta({
    description: 'Names the variant in the run folder and the report.',
    whenAbsent: 'its losses and their constraint: `ca-boundary`',
  }),
  losses: z
    .array(lossEntrySchema)
    .min(1)
    .describe('The objective, a weighted sum. `{ loss: ca, … }` is short for `losses: [{ loss: sft }, { loss: ca, … }]`.'),
  sftFrom: z
    .enum(['auto', 'question', 'train'])
    .default('auto')
    .describe(
      "Where L_VFT's chains come from: each question's own reference, or further draws from `data.train`. `auto`: its own where every question has one.",
    ),
  referenceIsCandidate: z
    .boolean()
    .default(true)
    .describe("Whether a question's reference chain counts as one of its positive candidates."),
  startFrom: z.enum(['sft', 'base']).default('sft').describe('Start from the stage-1 weights, or from the model the run started with.'),
})

const stopSchema = z
  .array(z.string().min(1))
  .default([])
  .describe('Strings that end a completion, beside the end-of-sequence token; the text is cut before them.')

/** `name` chooses a registered plugin; the other keys are its own options, validated by its schema. */
export const pluggedSchema = (name: string, what: string) => z.looseObject({ name: z.string().default(name).describe(what) })

export const samplingSchema = z.strictObject({
  k: whole(1, 10_000).default(6).describe('Completions per question.'),
  temperature: z.number().min(0).default(1).describe('0 is greedy.'),
  topK: whole(0, 10_000_000).default(0).describe('Draw from the k likeliest tokens; 0 keeps all.'),
  topP: z.number().positive().max(1).default(1).describe('Draw from the smallest set of tokens whose probability reaches p; 1 keeps all.'),
  maxNewTokens: whole(1, MOST_TOKENS).default(256).describe('Longer completions are cut off and count as truncated; see `cutOff`.'),
  stop: stopSchema,
})

export const sampleSectionSchema = samplingSchema.extend({
  cutOff: z
    .enum(['drop', 'wrong', 'keep'])
    .default('drop')
    .describe(
      'What becomes of completions that were cut off at the length limit. `drop`: they are no candidates, neither right nor wrong. `wrong`: they are, whatever they say. `keep`: the labeler decides, and one without an answer counts as wrong.',
    ),
  sampler: z
    .union([z.string(), pluggedSchema('policy', 'A registered sampler; its own options stand beside it.')])
    .default('policy')
    .describe(
      'Where completions come from: `policy` (the model of stage 1), `dataset` (the candidates of the data files; no key but this one then stands in `sample`, as with any sampler of given candidates), or a registered sampler, with its options: `{ name: …, … }`.',
    ),
})

export const modelSchema = z.union([
  z.string().min(1),
  z.strictObject({
    architecture: z
      .record(z.string(), z.unknown())
      .describe("The fields of a Hugging Face `config.json`: `model_type`, `hidden_size`, … `vocab_size` is the tokenizer's when absent."),
    tokenizer: z.string().min(1).describe('A folder with `tokenizer.json`, or that file.'),
    seed: whole(0).default(0).describe('Seed of the initial weights.'),
  }),
  z.strictObject({
    base: z.string().min(1).describe('The Hugging Face model folder that the adapter was trained on.'),
    adapter: z.string().min(1).describe('A folder with `adapter_config.json` and `adapter_model.safetensors`, as PEFT writes it.'),
  }),
])

export const promptSchema = z.strictObject({
  template: z.string().includes('{prompt}', { error: 'must contain {prompt}' }).optional().meta({
    description:
      "How a question becomes the model's prompt, or, with a chat template, the user's message: `{prompt}` is replaced. The completion's text is appended as it is. Conversations of the data are not put into it.",
    whenAbsent:
      '`"{prompt}\\n"` for questions; `"{prompt}"` for prompts that are the very text to continue (TRL\'s standard types), and with a chat template',
  }),
  chat: z
    .literal(['auto', true, false])
    .default('auto')
    .describe(
      "What goes through the model's chat template. `auto`: the data's conversations (message lists), and nothing else. `true`: plain questions too, as one user message. `false`: nothing; a conversation of one user message is then its plain text, and a longer one an error.",
    ),
  system: z
    .string()
    .min(1)
    .optional()
    .describe(
      'A system message in front of every conversation, and, with `chat: true`, of plain questions. A record that brings a system message keeps its own.',
    ),
  chatTemplateKwargs: z
    .record(z.string(), z.unknown())
    .default({})
    .describe(
      "Variables for the model's chat template, as `chat_template_kwargs` of transformers, vLLM and TRL: `{ enable_thinking: false }`. One that the template does not read is an error. A record's own `chat_template_kwargs` go before.",
    ),
  thinking: z
    .union([z.literal(['auto', false]), z.tuple([z.string().min(1), z.string().min(1)])])
    .default('auto')
    .describe(
      "The tags around a model's reasoning; the answer is read behind it, and reasoning that never ends holds none. `auto`: those of the chat template or the vocabulary (`<think>` and `</think>`). `[open, close]`: these. `false`: reasoning is text like any other.",
    ),
  date: z.iso
    .date()
    .default('2024-07-26')
    .describe("The day that chat templates which ask for today's date are told: prompts never depend on the clock."),
})

export const lengthsSchema = z.strictObject({
  maxPromptTokens: whole(1, MOST_TOKENS).optional().meta({
    description: 'The longest prompt, in tokens, of every data file and stage.',
    whenAbsent: "what the model's context has room for beside one token of an answer",
  }),
  maxCompletionTokens: whole(1, MOST_TOKENS).optional().meta({
    description:
      'The longest answer of a data file, in tokens with its end. Sampled ones have `sample.maxNewTokens` and `evaluate.maxNewTokens`.',
    whenAbsent: "what the prompt leaves of the model's context",
  }),
  onTooLong: z
    .enum(['error', 'skip', 'truncate'])
    .default('error')
    .describe(
      'What becomes of a longer one. `error`: the run ends, before anything is computed. `skip`: it is left out and counted. `truncate`: a prompt loses earlier turns, then the beginning of its question (needs `maxPromptTokens`); an answer loses its end.',
    ),
})

/** One source, or several. */
const sourcesSchema = z.union([dataSourceSchema, z.array(dataSourceSchema).min(1)])

export const dataSectionSchema = z.strictObject({
  train: sourcesSchema.describe(
    'Questions with reference chains, for `sft` (and L_VFT); the chains are not needed where nothing trains on them. Of several sources one mixture.',
  ),
  questions: sourcesSchema.optional().meta({
    description: 'Questions with answers to sample on, or with candidates for the sampler `dataset`. Of several sources one mixture.',
    whenAbsent: "`data.train`, the paper's design",
  }),
  validation: sourcesSchema.optional().describe('Watched while training; never trained on.'),
  test: sourcesSchema.describe(
    'Held out; evaluated before and after alignment. Several sources are reported each on its own, and together.',
  ),
  mixStrategy: z.enum(['under', 'over']).optional().meta({
    description:
      'What gives way where sources have weights. `under`: nothing is repeated, and of the sources that are too large for their shares a part is drawn. `over`: nothing is left out, and of those that are too small records are repeated.',
    whenAbsent: '`under`',
  }),
})

export const labelSchema = pluggedSchema(
  'answer',
  'Who labels: `answer` (by the final answer), `dataset` (the labels of the data file; needs the sampler `dataset`), or a registered labeler.',
)

export const evaluateSchema = z.strictObject({
  maxNewTokens: whole(1, MOST_TOKENS).default(256).describe('Longer answers are cut off and count as truncated.'),
  stop: stopSchema,
  label: z
    .union([z.string(), z.looseObject({ name: z.string().describe('A registered labeler that tells right from wrong.') })])
    .optional()
    .meta({
      description:
        'Who says which answers to `data.test` are right, where that is another labeler than `label`; its own options stand beside its name.',
      whenAbsent: 'the labeler of `label`; where that one only ranks, `answer`, for the test questions that have an answer',
    }),
  control: z.string().optional().meta({
    description: 'The row of the report that paired differences are against: a variant, or `VFT`, the stage-1 model.',
    whenAbsent: '`VFT`',
  }),
})

export const configSchema = z.strictObject({
  model: modelSchema.describe(
    'A Hugging Face model folder; a PEFT adapter, as its folder or as `{ base, adapter }`; or random weights: `{ architecture, tokenizer, seed }`.',
  ),
  backend: z
    .union([z.string(), pluggedSchema('auto', 'A registered backend, or `auto`; its own options stand beside it.')])
    .default('auto')
    .describe(
      'The compute engine: `auto` (an NVIDIA GPU where PyTorch or tfjs-node-gpu is installed and works, else WebGPU where a trial of a few seconds says that it is clearly faster, else the CPU), a registered backend, or one with options: `{ name: onnx, device: cpu, … }`.',
    ),
  seed: whole(0).default(0).describe('Seed of everything random: order of the data, sampling.'),
  run: z.string().min(1).default('runs/default').describe('The run folder.'),
  plugins: z
    .array(z.string().min(1))
    .default([])
    .describe('Packages, or paths starting with `./`, whose default export is a Plumbline plugin.'),
  reporters: z
    .array(z.union([z.string().min(1), z.looseObject({ name: z.string().min(1).describe('A registered reporter.') })]))
    .default([])
    .describe(
      'Who is told what the run tells: registered reporters, by name or as `{ name: tensorboard, … }` with their own options. Does not change the result: finished work stays finished.',
    ),
  prompt: promptSchema.prefault({}).describe('From question to prompt.'),
  lengths: lengthsSchema.prefault({}).describe('How long prompts and answers may be, and what becomes of longer ones.'),
  data: dataSectionSchema.describe(
    'The data files. A plain string is short for `{ path: … }`; several sources are a list, or a section with a name for each.',
  ),
  sft: trainingSchema.prefault({}).describe('Stage 1: maximum likelihood on the reference chains. `steps: 0` skips it.'),
  rounds: whole(1, MOST_ROUNDS)
    .default(1)
    .describe(
      'How often stages 2 to 4 are gone through. From the second round on each variant samples from its own model, has these samples labelled, and is aligned again on them.',
    ),
  sample: sampleSectionSchema.prefault({}).describe('Stage 2: k completions per question.'),
  label: labelSchema.prefault({}).describe('Stage 3: which completions are right. A plain string is short for `{ name: … }`.'),
  align: z.array(alignVariantSchema).min(1).describe('Stage 4: one variant, or a list of several over the same samples.'),
  evaluate: evaluateSchema.prefault({}).describe('Stage 5: greedy answers on `data.test`.'),
})

/** The config after validation, shorthands written out, defaults filled in, paths made absolute. */
export type Config = z.output<typeof configSchema>
/** The config as it may be written: with `satisfies ConfigInput` a config in TypeScript is checked. */
export type ConfigInput = z.input<typeof configSchema>
export type DataSource = z.output<typeof dataSourceSchema>
export type LoraConfig = z.output<typeof loraSchema>
export type TrainingConfig = z.output<typeof trainingSchema>
export type AlignVariant = z.output<typeof alignVariantSchema>
export type LossEntry = z.output<typeof lossEntrySchema>
export type SamplingConfig = z.output<typeof samplingSchema>
export type PromptConfig = z.output<typeof promptSchema>
export type Lengths = z.output<typeof lengthsSchema>
