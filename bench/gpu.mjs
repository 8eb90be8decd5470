// One GPU: the `torch` backend, WebGPU, and the padded step and `generate` of a transformers user, on the same random weights and questions.
//
//   node bench/gpu.mjs                          under five minutes on a data-centre GPU; needs a build, and a Python with torch, transformers and peft (PLUMBLINE_PYTHON)
//   node bench/gpu.mjs --tiny --device cpu      the same script in a minute without a GPU: does it run, and do the losses agree?
//   --only 135M      shapes whose name matches      --budget 280   seconds after which nothing more is begun      --limit 60   seconds that a figure may take
//
// Nothing is downloaded. Every figure is written down as it comes (bench/results/gpu.json and gpu.md), so that a run that is cut off keeps what it has.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { clearTimeout } from 'node:timers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { keyOf, LORA, LOSS, NEW_TOKENS, OPTIMIZER, planOf, questionsOf, SHAPES } from './gpu/cases.mjs'
import { disagreements, page, secondsOf } from './gpu/table.mjs'

const { values: args } = parseArgs({
  options: {
    tiny: { type: 'boolean', default: false },
    device: { type: 'string', default: 'cuda' },
    only: { type: 'string', default: '' },
    budget: { type: 'string', default: '280' },
    limit: { type: 'string', default: '60' },
    out: { type: 'string' },
    note: { type: 'string' },
  },
})
const bench = dirname(fileURLToPath(import.meta.url))
const venv = join(bench, '..', 'node_modules', '.cache', 'torch', 'bin', 'python')
const python = process.env.PLUMBLINE_PYTHON ?? (existsSync(venv) ? venv : 'python3')
const results = resolve(args.out ?? join(bench, args.tiny ? 'work' : 'results'))
const name = args.tiny ? 'gpu-tiny' : 'gpu'
/** A step that takes longer is timed once. */
const LONG_STEP = 3
/** What must be left for a process to be started again after one that hung. */
const RESTART_SECONDS = 40

function refuse(message) {
  console.error(message)
  process.exit(2)
}

/** What is missing is said before minutes are spent. */
function requirePython() {
  const script = `import torch, transformers, peft; print("cuda" if torch.cuda.is_available() else "cpu")`
  const { status, stdout, stderr, error } = spawnSync(python, ['-c', script], { encoding: 'utf8' })
  if (status !== 0) {
    const why = error?.message ?? String(stderr).trim().split('\n').at(-1)
    refuse(
      `${python} has not what this needs (${why}); expected a Python with torch, transformers and peft, which PLUMBLINE_PYTHON names or scripts/torch-venv.mjs makes.`,
    )
  }
  if (args.device === 'cuda' && stdout.trim() !== 'cuda')
    refuse(`PyTorch sees no CUDA device here; --tiny --device cpu rehearses without one.`)
}

const started = performance.now()
const elapsed = () => (performance.now() - started) / 1000
const left = () => Number(args.budget) - elapsed()

const rows = []
const about = { date: new Date().toISOString().slice(0, 10), note: args.note, leftOut: [] }

function writeDown() {
  writeFileSync(join(results, `${name}.json`), `${JSON.stringify({ ...about, rows }, null, 1)}\n`)
  writeFileSync(join(results, `${name}.md`), page(rows, about))
}

/** The largest memory use that nvidia-smi saw, where there is one: of the whole card, for engines that do not count themselves. */
function watchCard() {
  const watch = spawn('nvidia-smi', ['--query-gpu=memory.used', '--format=csv,noheader,nounits', '--loop-ms=100'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let most = 0
  watch.on('error', () => undefined)
  watch.stdout?.on('data', (text) => (most = Math.max(most, ...String(text).trim().split('\n').map(Number).filter(Number.isFinite))))
  return {
    take: () => {
      const found = most
      most = 0
      return found > 0 ? found * 2 ** 20 : undefined
    },
    stop: () => watch.kill(),
  }
}

/** Runs a child that prints a line for each figure; ends it where one takes too long, or the time is up. */
function follow(command, words, onLine) {
  return new Promise((done) => {
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    let timer
    let why
    const wait = (extra) => {
      clearTimeout(timer)
      const seconds = Math.max(1, Math.min(Number(args.limit) + extra, left()))
      timer = setTimeout(() => {
        why = seconds < Number(args.limit) ? 'the time was up' : `it took more than ${Math.round(seconds)} s`
        child.kill('SIGKILL')
      }, seconds * 1000)
    }
    // Until the first line a process loads PyTorch and the model.
    wait(60)
    createInterface({ input: child.stdout }).on('line', (line) => {
      wait(0)
      try {
        onLine(JSON.parse(line))
      } catch {
        console.error(line)
      }
    })
    child.on('error', (error) => (why = error.message))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      done(why ?? (code === 0 ? undefined : `it ended with ${signal ?? `exit code ${code}`}`))
    })
  })
}

/** One side of one shape. Cases that came to nothing are rows that say why; a process that hung is started again for the rest. */
async function runEntry(entry, folder) {
  // `generate` is measured with bfloat16 weights alone.
  const isMeasured = ({ dtype, kind }) => entry.side !== 'padded' || kind !== 'sample' || dtype === 'bf16'
  const wanted = entry.dtypes.flatMap(([dtype, cases]) => cases.map((each) => ({ dtype, ...each, key: keyOf(each) }))).filter(isMeasured)
  const isThere = ({ key, dtype }) => rows.some((row) => row.side === entry.side && row.key === key && row.dtype === dtype)
  const file = join(folder, `${entry.side.replace(': ', '-')}.json`)
  writeFileSync(file, JSON.stringify(entry))
  const card = entry.side === 'onnx' && entry.device !== 'cpu' ? watchCard() : undefined
  const put = (each, row) => {
    const { key, dtype, shape, mode, questions, prompts, kind, k } = each
    rows.push({ side: entry.side, dtype, key, shape, mode, questions, prompts, kind, k, isRestarted: entry.isRestarted, ...row })
    const figure = row.runs ? `${secondsOf(row).toFixed(3)} s` : row.error
    console.error(`${elapsed().toFixed(0).padStart(4)} s  ${entry.side.padEnd(6)} ${dtype}  ${key}: ${figure}`)
    writeDown()
  }
  const onLine = (line) => {
    if (line.versions) Object.assign(about, { versions: line.versions, device: line.device })
    for (const each of wanted.filter(({ key, dtype }) => dtype === line.dtype && (line.key === key || line.keys?.includes(key)))) {
      if (line.error === undefined) put(each, { runs: line.runs, peakBytes: card?.take() ?? line.peakBytes, engine: line.engine })
      else if (!isThere(each)) put(each, { error: line.error })
    }
  }
  const [command, words] =
    entry.side === 'padded'
      ? [python, [join(bench, 'gpu', 'padded.py'), 'run', file]]
      : [process.execPath, [join(bench, 'gpu', 'ours.mjs'), file]]
  const why = await follow(command, words, onLine)
  card?.stop()
  if (why === undefined) return
  const [hung, ...others] = wanted.filter((each) => !isThere(each))
  if (hung === undefined) return
  put(hung, { error: why })
  if (others.length > 0 && left() > RESTART_SECONDS) {
    const dtypes = entry.dtypes.map(([dtype, cases]) => [
      dtype,
      cases.filter((each) => others.some(({ key, dtype: own }) => own === dtype && key === keyOf(each))),
    ])
    await runEntry({ ...entry, dtypes: dtypes.filter(([, cases]) => cases.length > 0), isRestarted: true }, folder)
    return
  }
  about.leftOut.push(...others.map(({ key, dtype }) => `${entry.side} ${dtype} ${key}`))
  writeDown()
}

/** The shape's weights and questions, which both sides read. */
function prepare({ shape, device }, folder) {
  const architecture = SHAPES[shape]
  const model = join(folder, 'model')
  const groups = Object.fromEntries(
    (args.tiny ? ['2 tiny', '3 tiny'] : ['4 short', '4 long', '16 short', '16 long']).map((key, seed) => {
      const [count, prompts] = key.split(' ')
      return [key, questionsOf(Number(count), prompts, architecture.vocab_size, seed + 1)]
    }),
  )
  const entry = {
    architecture,
    model,
    groups,
    python,
    device,
    loss: LOSS,
    lora: LORA,
    optimizer: OPTIMIZER,
    newTokens: NEW_TOKENS,
    longStep: LONG_STEP,
    // A tiny model on many threads waits for them.
    threads: args.tiny ? 1 : undefined,
  }
  const file = join(folder, 'make.json')
  writeFileSync(file, JSON.stringify(entry))
  const { status } = spawnSync(python, [join(bench, 'gpu', 'padded.py'), 'make', file], { stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error(`The model ${shape} could not be made`)
  // The questions are token ids; a model folder has a tokenizer all the same: one whose words are the ids.
  const { wordLevelTokenizerConfig, wordLevelTokenizerJson } = createRequire(import.meta.url)('../packages/transformer')
  const words = Array.from({ length: architecture.vocab_size - 4 }, (_, i) => `t${i + 4}`)
  writeFileSync(join(model, 'tokenizer_config.json'), JSON.stringify(wordLevelTokenizerConfig()))
  writeFileSync(join(model, 'tokenizer.json'), JSON.stringify(wordLevelTokenizerJson(words)))
  return entry
}

requirePython()
mkdirSync(results, { recursive: true })
const plan = planOf(args).filter(({ shape }) => shape.includes(args.only))
if (plan.length === 0) refuse(`No shape is called like "${args.only}"; there are ${Object.keys(SHAPES).join(', ')}.`)
const work = mkdtempSync(join(tmpdir(), 'plumbline-gpu-'))
try {
  for (const shape of new Set(plan.map((each) => each.shape))) {
    const own = plan.filter((each) => each.shape === shape)
    if (left() < 20) {
      about.leftOut.push(`${shape}: the time was up`)
      continue
    }
    const folder = mkdtempSync(join(work, 'shape-'))
    const common = prepare(own[0], folder)
    for (const entry of own) {
      if (left() < 10) about.leftOut.push(`${entry.side} ${shape}: the time was up`)
      else await runEntry({ ...common, ...entry }, folder)
    }
    rmSync(folder, { recursive: true, force: true })
  }
} finally {
  rmSync(work, { recursive: true, force: true })
  writeDown()
}
console.error(`${rows.length} figures in ${elapsed().toFixed(0)} s: ${join(results, `${name}.md`)}`)
process.stdout.write(page(rows, about))
// A rehearsal proves that every side computes, and the same; on a GPU a row may say why it has no figure.
process.exitCode = disagreements(rows).length > 0 || (args.tiny && rows.some(({ runs }) => runs === undefined)) ? 1 : 0
