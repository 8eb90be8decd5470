// What must hold of a run that is done. Everything throws where it does not.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from '../packing.mjs'

const require = createRequire(import.meta.url)
const { loadTokenizer, readAdapter, readModelConfig } = require(join(root, 'packages', 'transformer'))
const { OnnxBackend } = require(join(root, 'packages', 'backend-onnx'))

export const STAGES = ['sft', 'sample', 'label', 'align', 'evaluate']
const TOKENIZER_FILES = ['tokenizer.json', 'tokenizer_config.json']
/** Digits, line breaks, runs of white space, letters that are no ASCII, and a character of four bytes. */
const TEXTS = ['12 + 30 = 42\n#### 42', 'Über 3 Äpfel, 数学 und 🧮', 'two  spaces,\ta tab\n\n  an indented line']

const read = (file) => readFileSync(file, 'utf8')
const lines = (file) =>
  read(file)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

/** The folder of a stage that ran once, e.g. `align-boundary`. */
function stageFolder(run, stage) {
  const found = readdirSync(run).filter((name) => name.startsWith(`${stage}-`) && /-[0-9a-f]{8}$/.test(name))
  assert.equal(found.length, 1, `${run} has ${found.length} folders ${stage}-…`)
  return join(run, found[0])
}

/** What is tokenised comes back, and what is tokenised of the chat template is what it writes. */
export function checkTokenizer(tokenizer, chat) {
  for (const text of TEXTS) assert.equal(tokenizer.decode(tokenizer.encode(text)), text)
  assert.equal(tokenizer.renderChat !== undefined, chat, 'a chat template')
  assert.equal(tokenizer.turnEnd !== undefined, chat, 'the end of a turn')
}

/** Every stage is done, the report has numbers, the candidates say what their tokens do, and prompts are the chat template's. */
export function checkStages(run, tokenizer, { chat, notice, train }) {
  for (const stage of ['sft', 'sample', 'label', 'align-boundary', 'evaluate-candidates', 'evaluate-VFT', 'evaluate-boundary'])
    assert(existsSync(join(stageFolder(run, stage), 'done.json')), `${stage} is done`)
  const report = JSON.parse(read(join(run, 'report.json')))
  assert.deepEqual(
    report.rows.map(({ name }) => name),
    ['VFT', 'boundary'],
  )
  for (const row of report.rows) {
    assert(Number.isFinite(row.accuracy) && row.questions > 0, 'an accuracy')
    assert(Number.isFinite(row.negativePerplexity) && row.negativePerplexity > 1, 'a perplexity of the candidates')
  }
  if (notice)
    assert(
      report.notices.some((text) => notice.test(text)),
      `a notice like ${notice}`,
    )
  const samples = lines(join(stageFolder(run, 'sample'), 'samples.jsonl'))
  assert.equal(samples.length, train.length)
  for (const [i, { promptTokens, candidates, references }] of samples.entries()) {
    const { question, chain } = train[i]
    const asked = { role: 'user', content: question }
    const prompt = tokenizer.decode(promptTokens, { special: true })
    assert.equal(references.length, 1)
    const [{ tokens: reference, text }] = references
    const answer = tokenizer.decode(reference, { special: true })
    assert.equal(text, chain)
    if (chat) {
      assert.equal(prompt, tokenizer.renderChat([asked]))
      const both = tokenizer.renderChat([asked, { role: 'assistant', content: chain }], { addGenerationPrompt: false })
      assert(both.startsWith(prompt + answer), `${JSON.stringify(prompt + answer)} begins ${JSON.stringify(both)}`)
    } else {
      assert(prompt.endsWith(`${question}\n`), prompt)
      assert.equal(tokenizer.decode(reference.slice(0, -1)), chain)
    }
    const end = chat ? [tokenizer.turnEnd.token, ...tokenizer.turnEnd.tail] : [tokenizer.eosId]
    assert.deepEqual(reference.slice(-end.length), end)
    if (tokenizer.bosId !== undefined && tokenizer.bosId !== tokenizer.eosId)
      assert(promptTokens.filter((id) => id === tokenizer.bosId).length <= 1, 'one beginning')
    assert.equal(
      candidates.reduce((sum, { times }) => sum + times, 0),
      2,
    )
    for (const { tokens, text, finish } of candidates) assert.equal(text, tokenizer.decode(finish === 'eos' ? tokens.slice(0, -1) : tokens))
  }
}

/**
 * The model that a stage left is the one that it scored: opened again, it gives the numbers that stand in the run folder. It has learnt
 * something, and its folder holds the tokenizer byte for byte.
 *
 * @returns its source, and what it says of the candidates
 */
export async function checkModel(run, { base, lora }) {
  const stage = stageFolder(run, 'align-boundary')
  const folder = join(stage, lora ? 'adapter' : 'model')
  const source = lora ? { kind: 'adapter', base: { kind: 'folder', path: base }, path: folder } : { kind: 'folder', path: folder }
  if (lora) {
    const { factors } = await readAdapter(folder, (await readModelConfig(base)).config)
    for (const { B } of factors.values())
      assert(
        B.data.some((value) => value !== 0),
        'a B that was trained',
      )
  } else {
    sameTokenizer(folder, base)
    assert(
      !readFileSync(join(folder, 'model.safetensors')).equals(readFileSync(join(base, 'model.safetensors'))),
      'weights that were trained',
    )
  }
  const scored = await scores(source, run)
  const written = lines(join(stageFolder(run, 'evaluate-boundary'), 'scores.jsonl')).map((question) => question.scores)
  assert(written.flat().length > 0, 'candidates that were scored')
  near(scored, written, 1e-6, 'the scores of the run')
  return { source, scores: scored }
}

/** A folder that was written from a model: the same scores and the same tokenizer. */
export async function checkExport(folder, { base, run, scores: expected }) {
  sameTokenizer(folder, base)
  near(await scores({ kind: 'folder', path: folder }, run), expected, 1e-5, 'the scores before the export')
  const [one, other] = [await loadTokenizer(folder), await loadTokenizer(base)]
  assert.equal(one.fingerprint, other.fingerprint)
}

/** The model, written by `saveWeights`. */
export async function save(source, folder) {
  const policy = await new OnnxBackend().open(source)
  await policy.saveWeights(folder)
  await policy.dispose()
}

/** The mean log-probability of a token, for every candidate of every test question. */
async function scores(source, run) {
  const questions = lines(join(stageFolder(run, 'evaluate-candidates'), 'candidates.jsonl'))
  const groups = questions.map(({ id, promptTokens, candidates }) => ({
    id,
    prompt: promptTokens,
    completions: candidates.map(({ tokens }) => tokens),
  }))
  const policy = await new OnnxBackend().open(source)
  try {
    const all = await policy.logProbs(groups)
    return all.map((group) => group.map((tokens) => tokens.reduce((sum, value) => sum + value, 0) / tokens.length))
  } finally {
    await policy.dispose()
  }
}

function sameTokenizer(folder, base) {
  for (const name of TOKENIZER_FILES)
    assert(readFileSync(join(folder, name)).equals(readFileSync(join(base, name))), `${name} of ${folder}`)
}

function near(found, expected, bound, what) {
  assert.deepEqual(
    found.map(({ length }) => length),
    expected.map(({ length }) => length),
    what,
  )
  for (const [q, question] of found.entries())
    for (const [c, value] of question.entries()) {
      assert(Number.isFinite(value), what)
      assert(Math.abs(value - expected[q][c]) <= bound * Math.max(1, Math.abs(value)), `${what}: ${value}, not ${expected[q][c]}`)
    }
}
