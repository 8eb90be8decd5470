import type { Kind } from './plan'

/** A data file as the configuration names it. */
export interface SourceChoice {
  readonly path: string
  /** A registered reader. */
  readonly format: string
  readonly columns?: Readonly<Record<string, string>>
  /** Whether some of its records cannot be used. */
  readonly skips?: boolean
}

/** What a new configuration is about; paths as they shall stand in the file. */
export interface ConfigChoices {
  /** A Hugging Face model folder. */
  readonly model: string
  /** One file, or the parts of one. */
  readonly train: readonly SourceChoice[]
  readonly validation?: SourceChoice
  readonly test: SourceChoice
  readonly kind: Kind
  /** A registered loss. */
  readonly loss: string
  /** A registered labeler. */
  readonly labeler?: string
  /** How prompts become what the model reads: a template around questions, the model's chat template, or nothing. */
  readonly prompts: 'template' | 'chat' | 'none'
  /** The model's context, where it is known. */
  readonly contextLength?: number
  /** A JSON Schema for editors, seen from the file. */
  readonly schema?: string
}

/** Lines of a variant per loss: the options that a person most often wants to change, with what they do. */
const LOSS_OPTIONS: Readonly<Record<string, string>> = {
  ca: `    constraint: boundary # none | detached | boundary: how wrong chains are kept from being pushed out of reach
    beta: 0.15 # how far below the worst right chain a wrong one may fall, in nats per token`,
  rrhf: '    constraint: boundary # none | detached | boundary',
  pro: '    constraint: boundary # none | detached | boundary',
  dpo: '    constraint: none # none | detached | boundary',
  rft: '',
  simpo: `    constraint: none # none | detached | boundary
    simpoBeta: 2 # scales the mean log-probability of a token to a reward
    simpoGamma: 0.5 # by how much the better candidate's reward should be ahead`,
  orpo: `    constraint: none # none | detached | boundary
    lambda: 0.1 # the weight of the odds ratio beside the likelihood of the better candidate`,
  kto: `    constraint: none # none | boundary
    ktoBeta: 0.1 # how soon the value of a gain, and of a loss, saturates`,
  'dpo-listwise': `    constraint: none # none | detached | boundary
    dpoBeta: 0.1 # how strongly the policy is held to the reference`,
}

/** The text of a plumbline.config.yaml that says what each of its keys is for. */
export function configTemplate(choices: ConfigChoices): string {
  const { model, train, validation, test, kind, prompts, contextLength, schema } = choices
  return `${schema === undefined ? '' : `# yaml-language-server: $schema=${schema}\n`}# Plumbline: ${SUMMARIES[kind]}.
#
#   plumb doctor    checks this file and the machine
#   plumb run       runs every stage, reuses what is done, and ends with a table
#
# Relative paths start at this file. A key that is not known is an error, so a typing mistake cannot pass unnoticed.

# A Hugging Face model folder (config.json, *.safetensors, tokenizer.json).
model: ${scalar(model)}

# auto takes an NVIDIA GPU where PyTorch or tfjs-node-gpu works, else WebGPU where a short trial says that it is faster, else the CPU.
# By name: onnx, or { name: onnx, threads: 4 }, { name: onnx, device: webgpu }, { name: onnx, device: cpu }.
backend: auto

# Everything random comes from this one number.
seed: 0

# Results, checkpoints and samples; delete it to start from nothing.
run: runs/default

# Packages, or files (./my-loss.ts), whose losses, labelers, samplers, backends, data formats or reporters this file uses, beside Plumbline's own.
plugins: []

${PROMPTS[prompts]}
# What is longer than the model's context${contextLength === undefined ? '' : ` (${contextLength} tokens)`} is left out and counted; error stops instead, truncate cuts.
lengths: { onTooLong: skip }

data:
  # ${CONTENTS[kind]}. Formats: groups, gsm8k, qa, preference, unpaired, messages, ranked, aqua, ecqa and what plugins add.
${trainLines(train)}
${kind === 'sampled' ? QUESTIONS : ''}${validation === undefined ? '' : `  # Watched while training, never trained on.\n  validation: ${sourceText(validation)}\n`}  # Held out; every row of the closing table is measured on it.
  test: ${sourceText(test, 'limit: 500')}
${stagesOf(choices)}`
}

const SUMMARIES: Readonly<Record<Kind, string>> = {
  sampled: 'fine-tune on chains of thought, sample candidates, label them, align, evaluate',
  judged: 'sample candidates, label them by the final answers, align, evaluate',
  given: 'align on the labelled candidates of a file, evaluate',
  tuned: 'fine-tune on the answers of a file, evaluate',
}

const CONTENTS: Readonly<Record<Kind, string>> = {
  sampled: 'Questions with reference chains of thought',
  judged: 'Questions with final answers',
  given: 'Prompts with labelled candidates',
  tuned: 'Prompts with answers to learn from',
}

function trainLines(train: readonly SourceChoice[]): string {
  const [only, ...more] = train
  if (only !== undefined && more.length === 0) return `  train: ${sourceText(only)}`
  return ['  train:', ...train.map((source) => `    - ${sourceText(source)}`)].join('\n')
}

function sourceText({ path, format, columns, skips = false }: SourceChoice, ...more: readonly string[]): string {
  const renamed = Object.entries(columns ?? {}).map(([field, column]) => `${scalar(field)}: ${scalar(column)}`)
  const parts = [
    `path: ${scalar(path)}`,
    `format: ${scalar(format)}`,
    ...(renamed.length === 0 ? [] : [`columns: { ${renamed.join(', ')} }`]),
    ...(skips ? ['onInvalid: skip'] : []),
    ...more,
  ]
  return `{ ${parts.join(', ')} }`
}

const PROMPTS: Readonly<Record<ConfigChoices['prompts'], string>> = {
  template: `# How a question becomes the model's prompt. Conversations go through the model's chat template; chat: true puts questions
# through it, too, as the user's message. plumb inspect data shows the tokens.
prompt:
  template: ${JSON.stringify('Question: {prompt}\nAnswer:\n')}
`,
  chat: `# The model has a chat template: questions go through it as the user's message. plumb inspect data shows the tokens.
prompt:
  chat: true
`,
  none: `# Prompts go to the model as the file has them: conversations through the model's chat template, others as plain text.
# plumb inspect data shows the tokens.
`,
}

const QUESTIONS = `  # Questions with answers but without chains to sample on; train when left out.
  # questions: { path: questions.jsonl, format: qa }
`

function stagesOf(choices: ConfigChoices): string {
  switch (choices.kind) {
    case 'given':
      return givenStages(choices.loss)
    case 'tuned':
      return tunedStages()
    default:
      return sampledStages(choices)
  }
}

/** Half of a short context, so that a question has room beside its answer. */
const answerTokens = (contextLength = Infinity): number => Math.max(1, Math.min(256, Math.floor(contextLength / 2)))

/** Everything behind the data where candidates are sampled. */
function sampledStages({ kind, loss, labeler = 'answer', contextLength }: ConfigChoices): string {
  const options = LOSS_OPTIONS[loss] ?? ''
  const tokens = answerTokens(contextLength)
  const hasChains = kind === 'sampled'
  const sft = hasChains
    ? `# Stage 1: fine-tuning on the reference chains.
sft:
  epochs: 3
  batchSize: 16
  learningRate: 1e-5
  schedule: cosine
  warmupSteps: 20`
    : `# Stage 1 is left out: there are no chains to fine-tune on.
sft: { steps: 0 }`
  const control = hasChains
    ? `
  # The control: the same number of further fine-tuning steps. Without it a gain says little.
  - name: further-sft
    losses: [{ loss: sft }]
    steps: 200
    batchSize: 16
    learningRate: 1e-5`
    : ''
  const objective = hasChains ? `loss: ${scalar(loss)}` : `losses: [{ loss: ${scalar(loss)} }]`
  return `
${sft}

# Stage 2: k candidates for every question.
sample:
  k: 6
  temperature: 1
  maxNewTokens: ${tokens}

# Stage 3: right or wrong, by comparing the final answer (#### 72, \\boxed{72}, "The answer is 72")${labeler === 'math' ? ' as mathematics' : ''}.
label:
  name: ${scalar(labeler)}

# Stage 4: one variant or several over the same samples; the table compares them.${hasChains ? ' L_VFT is always part of the objective.' : ''}
align:
  - name: ${scalar(loss)}
    ${objective}
${options === '' || !hasChains ? '' : `${options}\n`}    steps: 200
    batchSize: 16
    learningRate: 1e-5${control}

evaluate:
  maxNewTokens: ${tokens}
${hasChains ? '  # Paired differences are against this variant.\n  control: further-sft\n' : ''}`
}

/** Everything behind the data where the file has the candidates. */
function givenStages(loss: string): string {
  return `
# Stage 1 is left out: the model is fine-tuned already. With steps it is first fine-tuned on the file's reference chains.
sft: { steps: 0 }

# Stages 2 and 3: the candidates and their labels are those of the file.
sample: { sampler: dataset }
label: { name: dataset }

# Stage 4: one variant or several; the table compares them with the model as it is. { loss: sft } beside a loss adds the likelihood of
# the file's reference chains.
align:
  - name: ${scalar(loss)}
    losses: [{ loss: ${scalar(loss)} }]
    steps: 200
    batchSize: 16
    learningRate: 1e-6
`
}

/** Everything behind the data where the file has nothing but answers to learn from. */
function tunedStages(): string {
  return `
# Stage 1 is left out, so that the table compares the model as it is with the fine-tuned one.
sft: { steps: 0 }

# Stages 2 and 3: there is nothing to sample or to label; the answers are those of the file.
sample: { sampler: dataset }
label: { name: dataset }

# Stage 4: fine-tuning. With final answers, or with better and worse candidates, a loss could align the model here.
align:
  - name: fine-tuned
    losses: [{ loss: sft }]
    epochs: 3
    batchSize: 16
    learningRate: 1e-5
    warmupSteps: 20
`
}

/** A YAML scalar: plain where that is safe, else in double quotes. */
function scalar(text: string): string {
  return /^[A-Za-z./~][A-Za-z0-9_./@~-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|~)$/i.test(text) ? text : JSON.stringify(text)
}
