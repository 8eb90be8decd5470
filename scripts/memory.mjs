// What a model takes, phase by phase, by the operating system's own count (VmHWM of /proc; Linux only): load, prepare to be trained, first
// step, save, second step, export; then, in another process, load, prepare, resume, the same second step, export. The two exports must be
// the same bytes.
//
//   node scripts/memory.mjs --shape 0.5b                    # weights are made first: random, bfloat16, streamed to the disk
//   node scripts/memory.mjs --shape 135m --moments bfloat16 --out memory.json
//   node scripts/memory.mjs --shape 135m --lora 16          # factors of this rank on every linear layer
//   node scripts/memory.mjs --shape 28m --questions 1 --candidates 1 --completion 4096 --checkpointing none   # or layers: one long candidate
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { freemem, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const require = createRequire(import.meta.url)
const transformer = require('../packages/transformer')

const shape = (vocabulary, hidden, feedForward, layers, heads, kvHeads, headDim) => ({
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  vocab_size: vocabulary,
  hidden_size: hidden,
  intermediate_size: feedForward,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  head_dim: headDim,
  max_position_embeddings: 2048,
  tie_word_embeddings: true,
  torch_dtype: 'bfloat16',
})
/** Shapes of known models, as plain Llamas. */
const SHAPES = {
  '5m': shape(4096, 256, 704, 4, 4, 4, 64),
  '28m': shape(8192, 512, 1408, 8, 8, 8, 64),
  '135m': shape(49_152, 576, 1536, 30, 9, 3, 64),
  '0.5b': shape(151_936, 896, 4864, 24, 14, 2, 64),
  '1.5b': shape(151_936, 1536, 8960, 28, 12, 2, 128),
}

const { values: args } = parseArgs({
  options: {
    shape: { type: 'string', default: '28m' },
    questions: { type: 'string', default: '2' },
    candidates: { type: 'string', default: '4' },
    prompt: { type: 'string', default: '64' },
    completion: { type: 'string', default: '80' },
    moments: { type: 'string' },
    lora: { type: 'string' },
    'micro-batch-tokens': { type: 'string' },
    checkpointing: { type: 'string' },
    'activation-memory': { type: 'string' },
    threads: { type: 'string' },
    folder: { type: 'string' },
    out: { type: 'string' },
    phase: { type: 'string' },
  },
})
if (!(args.shape in SHAPES)) throw new Error(`no such shape: ${args.shape}; known: ${Object.keys(SHAPES).join(', ')}`)
const positions = Math.max(2048, Number(args.prompt) + Number(args.completion))
const architecture = { ...SHAPES[args.shape], max_position_embeddings: positions }
const rank = args.lora && Number(args.lora)
const lora = rank ? { rank, alpha: 2 * rank, rslora: false, dropout: 0, targetModules: 'all-linear', seed: 1 } : undefined
const plan = { moments: args.moments, lora }

const MIB = 2 ** 20
const status = (field) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
/** From here on VmHWM is the peak of what follows (proc(5), clear_refs). */
const resetPeak = () => writeFileSync('/proc/self/clear_refs', '5')

/** Random numbers that need no memory: a linear congruential generator, as uniform numbers of the initialiser's deviation. */
function writeRandomModel(folder) {
  mkdirSync(folder, { recursive: true })
  const config = transformer.parseModelConfig(architecture, folder)
  writeFileSync(join(folder, 'config.json'), JSON.stringify(architecture))
  const words = Array.from({ length: 256 }, (_, i) => `w${i}`)
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(transformer.wordLevelTokenizerJson(words)))
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(transformer.wordLevelTokenizerConfig()))
  const shapes = [...transformer.parameterShapes(config)].sort(([a], [b]) => (a < b ? -1 : 1))
  const header = { __metadata__: { format: 'pt' } }
  let offset = 0
  for (const [name, dims] of shapes) {
    const bytes = 2 * transformer.elements(dims)
    header[name] = { dtype: 'BF16', shape: dims, data_offsets: [offset, (offset += bytes)] }
  }
  const json = Buffer.from(JSON.stringify(header))
  const head = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  head.writeBigUInt64LE(BigInt(head.length - 8), 0)
  json.copy(head, 8)
  const file = openSync(join(folder, 'model.safetensors'), 'w')
  writeSync(file, head)
  const chunk = new Uint16Array(4 * MIB)
  const value = new Float32Array(1)
  const bits = new Uint32Array(value.buffer)
  let random = 1
  for (const [, dims] of shapes) {
    const count = transformer.elements(dims)
    for (let done = 0; done < count; done += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, count - done))
      for (let i = 0; i < part.length; i++) {
        random = (Math.imul(random, 1664525) + 1013904223) >>> 0
        value[0] = dims.length === 1 ? 1 : (random / 2 ** 32 - 0.5) * 0.02 * Math.sqrt(12)
        part[i] = bits[0] >>> 16
      }
      const bytes = Buffer.from(part.buffer, 0, part.byteLength)
      for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written)
    }
  }
  closeSync(file)
  return transformer.parameterCount(config)
}

/** Made-up questions: every answer is right by turns. */
function groups(seed) {
  let random = seed
  const tokens = (count) =>
    Array.from(
      { length: count },
      () => (random = (Math.imul(random, 1664525) + 1013904223) >>> 0) % Math.min(architecture.vocab_size, 60_000),
    )
  return Array.from({ length: Number(args.questions) }, (_, id) => ({
    id: `q${id}`,
    prompt: tokens(Number(args.prompt)),
    completions: Array.from({ length: Number(args.candidates) }, () => tokens(Number(args.completion))),
  }))
}

/** The mean log-prob of half of the candidates up, that of the others down. */
const objective = (batch) => {
  const factor = (c) => (c % 2 === 0 ? -1 : 0.1) / (Number(args.questions) * Number(args.candidates))
  const mean = (tokens) => tokens.reduce((sum, value) => sum + value, 0) / tokens.length
  return {
    loss: batch.reduce((sum, { tokenLogProbs }) => sum + tokenLogProbs.reduce((s, tokens, c) => s + factor(c) * mean(tokens), 0), 0),
    cotangents: batch.map(({ tokenLogProbs }) => tokenLogProbs.map((tokens, c) => factor(c) / tokens.length)),
  }
}

/** One process: phases one after the other, each with its own peak. */
async function measure(folder) {
  const { OnnxBackend } = require('../packages/backend-onnx')
  const started = status('VmRSS')
  const phases = []
  const phase = async (name, work) => {
    resetPeak()
    const [begin, used] = [performance.now(), process.cpuUsage()]
    const value = await work()
    const { user, system } = process.cpuUsage(used)
    const [peak, after] = [status('VmHWM'), status('VmRSS')]
    phases.push({
      name,
      peakMiB: Math.round(peak / MIB),
      afterMiB: Math.round(after / MIB),
      seconds: +((performance.now() - begin) / 1000).toFixed(1),
      // Of all threads: what other work on the machine changes less than the time that passes.
      cpuSeconds: +((user + system) / 1e6).toFixed(1),
    })
    console.error(`${args.phase} ${name}: peak ${Math.round(peak / MIB)} MiB, afterwards ${Math.round(after / MIB)} MiB`)
    return value
  }
  const options = {
    frozenBase: lora !== undefined,
    ...(args['micro-batch-tokens'] ? { microBatchTokens: Number(args['micro-batch-tokens']) } : {}),
    ...(args['activation-memory'] ? { activationMemory: args['activation-memory'] } : {}),
    ...(args.threads ? { threads: Number(args.threads) } : {}),
  }
  const backend = new OnnxBackend(args.checkpointing ? { activationCheckpointing: args.checkpointing } : {})
  const policy = await phase('load', () => backend.open({ kind: 'folder', path: join(folder, 'model') }, options))
  const adamW = { learningRate: 1e-5, betas: [0.9, 0.95], epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 }
  await phase('prepare', () => policy.prepareTraining(plan))
  const step = async (seed) => {
    const report = await policy.forwardBackward(groups(seed), objective)
    return { ...report, ...(await policy.optimStep(adamW)) }
  }
  const steps = []
  if (args.phase === 'first') {
    steps.push(await phase('first step', () => step(7)))
    await phase('save', () => policy.saveState(join(folder, 'state')))
    steps.push(await phase('second step', () => step(8)))
    await phase('export', () => policy.saveWeights(join(folder, 'exported')))
  } else {
    await phase('resume', () => policy.loadState(join(folder, 'state')))
    steps.push(await phase('second step', () => step(8)))
    await phase('export', () => policy.saveWeights(join(folder, 'resumed')))
  }
  await policy.dispose()
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(join(folder, args.phase === 'first' ? 'exported' : 'resumed', 'model.safetensors')))
    hash.update(chunk)
  return { startMiB: Math.round(started / MIB), phases, steps, exported: hash.digest('hex') }
}

/** What the backend says of the same step: with as many rows as its largest micro-batch has. */
async function predicted(config, model) {
  const { memoryNeeds, rowLimits } = require('../packages/backend-onnx/dist/memory-plan')
  const { keptRowBytes } = require('../packages/backend-onnx/dist/training/training-graph')
  const asked = args['micro-batch-tokens'] && Number(args['micro-batch-tokens'])
  const limits = rowLimits(transformer.parameterCount(config), keptRowBytes(config), asked)
  const group = Number(args.prompt) + Number(args.candidates) * (Number(args.completion) - 1)
  const rows = group > limits.microBatch ? group : group * Math.min(Number(args.questions), Math.floor(limits.microBatch / group))
  const { baseBytes } = require('../packages/backend-onnx/dist/training/base-weights')
  const frozenBytes = lora && baseBytes((await transformer.openModelFolder(model)).weights)
  const longest = Number(args.prompt) + Number(args.completion)
  const needs = memoryNeeds(config, {
    rows,
    longest,
    plan,
    frozenBytes,
    microBatchTokens: asked,
    activationCheckpointing: args.checkpointing,
  })
  const { process: base, weights, gradients, moments, activations } = needs
  return { rows, needs, trainingMiB: Math.round((base + weights + gradients + moments + activations) / MIB) }
}

if (args.phase) {
  writeFileSync(args.out, JSON.stringify(await measure(args.folder)))
} else {
  const folder = args.folder ?? mkdtempSync(join(tmpdir(), 'plumbline-memory-'))
  try {
    const parameters = writeRandomModel(join(folder, 'model'))
    console.error(
      `${parameters} parameters, 16 bytes each are ${Math.round((16 * parameters) / MIB)} MiB; ${Math.round(freemem() / MIB)} MiB are free`,
    )
    const run = (phase) => {
      const out = join(folder, `${phase}.json`)
      const passed = Object.entries({ ...args, phase, folder, out }).flatMap(([key, value]) =>
        value === undefined ? [] : [`--${key}`, value],
      )
      const { status: code, signal } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...passed], { stdio: ['ignore', 2, 2] })
      if (code !== 0) throw new Error(`${phase} ended with ${signal ?? code}`)
      return JSON.parse(readFileSync(out, 'utf8'))
    }
    const [first, resumed] = [run('first'), run('resumed')]
    const sameBytes = first.exported === resumed.exported
    const result = {
      shape: args.shape,
      parameters,
      moments: args.moments ?? 'float32',
      ...(lora ? { rank } : {}),
      ...(args.checkpointing ? { checkpointing: args.checkpointing } : {}),
      predicted: await predicted(transformer.parseModelConfig(architecture, folder), join(folder, 'model')),
      sameBytes,
      first,
      resumed,
    }
    if (args.out) writeFileSync(args.out, JSON.stringify(result, null, 2) + '\n')
    console.log(JSON.stringify(result, null, 2))
    if (!sameBytes) throw new Error('the resumed run exported other bytes')
  } finally {
    if (!args.folder) rmSync(folder, { recursive: true, force: true })
  }
}
