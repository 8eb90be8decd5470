// Every family of models with a published tokenizer through all five stages: a tiny random checkpoint is written with the files of the real
// tokenizer beside it, trained, sampled, labelled, aligned and evaluated; its result is opened again, exported, and gives the same numbers.
//
//   node scripts/families.mjs                 # all
//   node scripts/families.mjs 'Qwen 3' GPT-2  # these
//   node scripts/families.mjs --own           # those whose own tokenizer is on npm
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkExport, checkModel, checkStages, checkTokenizer, save, STAGES } from './families/checks.mjs'
import { FAMILIES, SKIPPED } from './families/list.mjs'
import { tokenizerFolder } from './families/tokenizers.mjs'
import { root, run, say } from './packing.mjs'

const require = createRequire(import.meta.url)
const packageOf = (name) => require(join(root, 'packages', name))
const { runConfig } = packageOf('core')
const { loadTokenizer, loadUntokenizedModel, writeModelFolder } = packageOf('transformer')
const plugins = [packageOf('backend-onnx').default, packageOf('plugin-ca-loss').default]
const plumb = join(root, 'packages', 'cli', 'bin', 'run.js')

const sum = (a, b) => ({ question: `What is ${a} + ${b}?`, chain: `${a} + ${b} = ${a + b}\n#### ${a + b}` })
const TRAIN = [sum(1, 2), sum(30, 12)]
const TEST = [sum(7, 2)]
const gsm8k = (sums) => sums.map(({ question, chain }) => JSON.stringify({ question, answer: chain }) + '\n').join('')

const config = ({ chat, lora }) => ({
  model: 'model',
  run: 'run',
  prompt: { chat },
  data: { train: { path: 'train.jsonl', format: 'gsm8k' }, test: { path: 'test.jsonl', format: 'gsm8k' } },
  sft: { steps: 2, batchSize: 2, learningRate: 1e-3, ...(lora ? { lora } : {}) },
  // Random weights do not end their answers.
  sample: { k: 2, maxNewTokens: 5, cutOff: 'wrong' },
  align: [{ name: 'boundary', loss: 'ca', constraint: 'boundary', steps: 1, batchSize: 2, learningRate: 1e-3, ...(lora ? { lora } : {}) }],
  evaluate: { maxNewTokens: 4 },
})

async function tryFamily(family, work) {
  const { tokenizer: name, architecture, chat, lora, notice } = family
  const folder = mkdtempSync(join(work, 'family-'))
  const [base, result] = [join(folder, 'model'), join(folder, 'run')]
  const published = await tokenizerFolder(name, work)
  const tokenizer = await loadTokenizer(published)
  checkTokenizer(tokenizer, chat)
  await writeModelFolder(base, await loadUntokenizedModel({ kind: 'scratch', architecture, tokenizer: published, seed: 1 }, tokenizer))

  writeFileSync(join(folder, 'train.jsonl'), gsm8k(TRAIN))
  writeFileSync(join(folder, 'test.jsonl'), gsm8k(TEST))
  writeFileSync(join(folder, 'plumbline.config.json'), JSON.stringify(config(family)))
  if (lora) {
    const report = JSON.parse(run(`plumb run: ${family.name}`, process.execPath, [plumb, 'run', '--json'], folder))
    if (report.rows.length !== 2) throw new Error(`plumb run --json has ${report.rows.length} rows`)
  } else {
    const ended = []
    const onEvent = (event) => event.type === 'stage-end' && ended.push(event.stage)
    await runConfig({ path: join(folder, 'plumbline.config.json'), plugins, onEvent })
    if ([...new Set(ended)].join() !== STAGES.join()) throw new Error(`The stages that ended are ${ended.join(', ')}`)
  }
  checkStages(result, tokenizer, { chat, notice, train: TRAIN })
  const { source, scores } = await checkModel(result, { base, lora })
  const exported = join(folder, 'exported')
  if (lora) run(`plumb export: ${family.name}`, process.execPath, [plumb, 'export', '--variant', 'boundary', '--out', exported], folder)
  else await save(source, exported)
  await checkExport(exported, { base, run: result, scores })
  rmSync(folder, { recursive: true })
}

/** Each family alone, in this process. */
async function tryAll(families) {
  const work = mkdtempSync(join(tmpdir(), 'plumbline-families-'))
  try {
    for (const family of families) {
      try {
        await tryFamily(family, work)
      } catch (error) {
        throw new Error(`${family.name}: ${error.message}`, { cause: error })
      }
      const whose =
        family.standIn === undefined
          ? 'its own tokenizer'
          : `its own tokenizer was not found on npm and is skipped; tried with ${family.standIn}`
      say(`${family.name}: ${whose}${family.lora ? ', LoRA and plumb export' : ''}`)
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Two processes share the families: most of the time one thread of each is at work. Those of one tokenizer stay together, which is then made once. */
async function shareAll(families) {
  const shares = [[], []]
  const tokenizers = [...new Set(families.map(({ tokenizer }) => tokenizer))]
  for (const [i, name] of tokenizers.entries()) shares[i % 2].push(...families.filter(({ tokenizer }) => tokenizer === name))
  const codes = await Promise.all(
    shares.map(async (share) => {
      const child = spawn(process.execPath, [process.argv[1], ...share.map(({ name }) => name)], { stdio: 'inherit' })
      const [code] = await once(child, 'close')
      return code
    }),
  )
  if (codes.some((code) => code !== 0)) process.exit(1)
  for (const { name, why } of SKIPPED) say(`${name}: skipped; ${why}`)
  for (const { name } of FAMILIES)
    if (!families.some((family) => family.name === name)) say(`${name}: skipped; its own tokenizer was not found on npm`)
}

const own = FAMILIES.filter(({ standIn }) => standIn === undefined)
const isOwn = process.argv[2] === '--own'
const asked = isOwn ? [] : process.argv.slice(2)
const stray = asked.find((name) => !FAMILIES.some((family) => family.name === name))
if (stray !== undefined) throw new Error(`There is no family ${stray}; known: ${FAMILIES.map(({ name }) => name).join(', ')}`)
if (asked.length === 0) await shareAll(isOwn ? own : FAMILIES)
else await tryAll(FAMILIES.filter(({ name }) => asked.includes(name)))
