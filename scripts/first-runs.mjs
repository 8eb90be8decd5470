// What `plumb init` writes for every data set beside this repository finishes all stages, with tiny limits. PLUMBLINE_SHARED names the
// folder of the data sets (../shared when absent); without them nothing is run, and that is said.
//
//     node scripts/first-runs.mjs [NAME...]
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const shared = join(process.env.PLUMBLINE_SHARED ?? resolve(root, '..', 'shared'), 'data')
const plumb = join(root, 'packages', 'cli', 'bin', 'run.js')
const model = join(shared, 'stories260K', 'hf')

const LIMITS = ['data.train.limit=8', 'data.test.limit=4', 'align.0.steps=2', 'align.0.batchSize=4']
const SAMPLED = [
  'sft.epochs=1',
  'sft.batchSize=4',
  'sample.k=2',
  'sample.maxNewTokens=24',
  'evaluate.maxNewTokens=24',
  'align.1.steps=2',
  'align.1.batchSize=4',
]
const FIRST_RUNS = {
  gsm8k: { data: 'gsm8k', set: SAMPLED },
  solutions: { data: 'gsm8k/example_model_solutions.jsonl', set: SAMPLED },
  aqua: { data: 'aqua', set: [...SAMPLED, 'data.validation.limit=4'] },
  'aqua-json': { data: 'aqua/dev.json', set: [...SAMPLED] },
  ecqa: { data: 'ecqa', set: [...SAMPLED, 'data.validation.limit=4'] },
  ranked: { data: 'ranked', set: [] },
}

if (!existsSync(model)) {
  console.log(`skipped: ${model} is not there; PLUMBLINE_SHARED names the folder of the data sets`)
  process.exit(0)
}
const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(FIRST_RUNS)
for (const name of wanted) {
  const { data, set } = FIRST_RUNS[name]
  const folder = mkdtempSync(join(tmpdir(), `plumb-first-${name}-`))
  const started = performance.now()
  const call = (...args) =>
    execFileSync(process.execPath, [plumb, ...args], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  try {
    call('init', '--data', join(shared, data), '--model', model)
    const report = JSON.parse(call('run', '--json', ...[...LIMITS, ...set].flatMap((each) => ['--set', each])))
    if (!(report.rows?.length > 0)) throw new Error(`the report has no row: ${JSON.stringify(report).slice(0, 400)}`)
    if (!existsSync(join(folder, 'runs', 'default', 'report.json'))) throw new Error('there is no report.json')
    const [title] = readFileSync(join(folder, 'plumbline.config.yaml'), 'utf8').split('\n').slice(1)
    console.log(
      `ok  ${name}  ${title.slice(2)}  ${report.rows.map((row) => row.name).join(', ')}  ${((performance.now() - started) / 1000).toFixed(0)} s`,
    )
  } catch (error) {
    console.error(`FAILED  ${name}  ${error.stdout ?? ''}\n${error.stderr ?? error.stack}`)
    process.exitCode = 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
