/** What a new configuration is about; paths as they shall stand in the file. */
export interface ConfigChoices {
  /** A Hugging Face model folder. */
  readonly model: string
  readonly train: string
  readonly test: string
  /** A registered reader. */
  readonly format: string
  /** A registered loss. */
  readonly loss: string
  /** Whether prompts are questions that a template is written around; the default. */
  readonly takesTemplate?: boolean
  /** Whether the candidates, with their labels, are those of the file; not the default. */
  readonly hasCandidates?: boolean
}

/** Lines of a variant per loss: the options that a person most often wants to change, with what they do. */
const LOSS_OPTIONS: Readonly<Record<string, string>> = {
  ca: `    constraint: boundary # none | detached | boundary: how wrong chains are kept from being pushed out of reach
    beta: 0.15 # how far below the worst right chain a wrong one may fall, in nats per token`,
  rrhf: '    constraint: boundary # none | detached | boundary',
  pro: '    constraint: boundary # none | detached | boundary',
  dpo: '    constraint: none # none | detached | boundary',
  rft: '',
}

/** The text of a plumbline.config.yaml that says what each of its keys is for. */
export function configTemplate({ model, train, test, format, loss, takesTemplate = true, hasCandidates = false }: ConfigChoices): string {
  const stages = hasCandidates ? givenStages(loss) : sampledStages(loss)
  return `# Plumbline: ${hasCandidates ? 'align on the labelled candidates of a file, evaluate' : 'fine-tune on chains of thought, sample candidates, label them, align, evaluate'}.
#
#   plumb doctor    checks this file and the machine
#   plumb run       runs every stage, reuses what is done, and ends with a table
#
# Relative paths start at this file. A key that is not known is an error, so a typing mistake cannot pass unnoticed.

# A Hugging Face model folder (config.json, *.safetensors, tokenizer.json).
model: ${scalar(model)}

# auto takes an NVIDIA GPU where tfjs-node-gpu works, else the CPU. By name: onnx, or { name: onnx, threads: 4 }, { name: onnx, device: webgpu }.
backend: auto

# Everything random comes from this one number.
seed: 0

# Results, checkpoints and samples; delete it to start from nothing.
run: runs/default

# Packages beside Plumbline's own whose losses, labelers, samplers, backends or dataset formats this file uses.
plugins: []

${takesTemplate ? TEMPLATE : NO_TEMPLATE}
data:
  # ${hasCandidates ? 'Prompts with labelled candidates' : 'Questions with reference chains of thought'}. Formats: groups, gsm8k, qa, preference, messages, ranked, aqua, ecqa and what plugins add.
  train: { path: ${scalar(train)}, format: ${scalar(format)} }
${hasCandidates ? '' : QUESTIONS}  # Held out; every row of the closing table is measured on it.
  test: { path: ${scalar(test)}, format: ${scalar(format)}, limit: 500 }
${stages}`
}

const TEMPLATE = `# How a question becomes the model's prompt. Conversations go through the model's chat template; chat: true puts questions
# through it, too, as the user's message. plumb inspect data shows the tokens.
prompt:
  template: ${JSON.stringify('Question: {prompt}\nAnswer:\n')}
`

const NO_TEMPLATE = `# Prompts go to the model as the file has them: conversations through the model's chat template, others as plain text.
# plumb inspect data shows the tokens.
`

const QUESTIONS = `  # Questions with answers but without chains to sample on; train when left out.
  # questions: { path: questions.jsonl, format: qa }
`

/** Everything behind the data where candidates are sampled. */
function sampledStages(loss: string): string {
  const options = LOSS_OPTIONS[loss] ?? ''
  return `
# Stage 1: fine-tuning on the reference chains.
sft:
  epochs: 3
  batchSize: 16
  learningRate: 1e-5
  schedule: cosine
  warmupSteps: 20

# Stage 2: k candidates for every question.
sample:
  k: 6
  temperature: 1
  maxNewTokens: 256

# Stage 3: right or wrong, by comparing the final answer (#### 72, \\boxed{72}, "The answer is 72").
label:
  name: answer

# Stage 4: one variant or several over the same samples; the table compares them. L_VFT is always part of the objective.
align:
  - name: ${scalar(loss)}
    loss: ${scalar(loss)}
${options === '' ? '' : `${options}\n`}    steps: 200
    batchSize: 16
    learningRate: 1e-5
  # The control: the same number of further fine-tuning steps. Without it a gain says little.
  - name: further-sft
    losses: [{ loss: sft }]
    steps: 200
    batchSize: 16
    learningRate: 1e-5

evaluate:
  maxNewTokens: 256
  # Paired differences are against this variant.
  control: further-sft
`
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

/** A YAML scalar: plain where that is safe, else in double quotes. */
function scalar(text: string): string {
  return /^[A-Za-z./~][A-Za-z0-9_./@~-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|~)$/i.test(text) ? text : JSON.stringify(text)
}
