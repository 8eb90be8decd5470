import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { runConfig } from '@plumbline/core'
import { BigramBackend } from '../../core/test/support/bigram-backend'
import { folderWith } from '../../core/test/support/files'
import { registryOf, WORDS } from '../../core/test/support/world'
import ktoPlugin from '../src'

/** Eight questions; the even ones have a desirable answer, the odd ones an undesirable one, and q0 has both. */
const rows = [
  ...Array.from({ length: 8 }, (_, d) => {
    const label = d % 2 === 0
    return { prompt: `q${d}`, completion: ` s${label ? d : d + 1} a${d}`, label }
  }),
  { prompt: 'q0', completion: ' s9 a9', label: false },
]
const lines = (records: readonly object[]) => records.map((record) => `${JSON.stringify(record)}\n`).join('')

const config = (loss: string) => `backend: bigram
model: { architecture: { words: [${WORDS.join(', ')}] }, tokenizer: tokenizer }
data:
  train: { path: unpaired.jsonl, format: unpaired, desirableIsReference: false }
  test: { path: unpaired.jsonl, format: unpaired }
sft: { steps: 0 }
sample: { sampler: dataset }
label: dataset
align: { losses: [${loss}], name: kto, steps: 16, batchSize: 4, learningRate: 0.1, checkpointEvery: 3 }
`

const folderOf = (loss: string, records: readonly object[] = rows) =>
  folderWith({ 'plumbline.config.yaml': config(loss), 'unpaired.jsonl': lines(records), 'tokenizer/tokenizer.json': '{}' })

/** Runs a config file over unpaired labels, from the file to the report, on an exact bigram model. */
function run(folder: string, backend = new BigramBackend()) {
  return runConfig({ path: path.join(folder, 'plumbline.config.yaml'), registry: registryOf(backend, { plugins: [ktoPlugin] }) })
}

async function artifact<T = Record<string, number>>(folder: string, stage: string, name: string): Promise<T[]> {
  const runFolder = path.join(folder, 'runs', 'default')
  const found = (await readdir(runFolder)).find((entry) => entry.startsWith(`${stage}-`))!
  const text = await readFile(path.join(runFolder, found, name), 'utf8')
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T)
}

it('trains on unpaired labels: ½ at the reference model, then desirable answers gain and undesirable ones lose', async () => {
  const folder = folderOf('{ loss: kto, ktoBeta: 0.5 }')
  const { rows: table, samples, notices } = await run(folder)
  expect(samples).toMatchObject({ given: 9, right: 4, wrong: 5 })
  expect(notices.join('\n')).not.toContain('anything to compare')
  const metrics = await artifact(folder, 'align-kto', 'metrics.jsonl')
  expect(metrics[0]!['loss/kto']).toBeCloseTo(0.5, 6)
  expect(metrics[0]!['kto/kl']).toBeCloseTo(0, 6)
  expect(metrics.at(-1)!['loss/kto']).toBeLessThan(0.4)
  expect(metrics.at(-1)!['kto/rewards/chosen']).toBeGreaterThan(0.2)
  expect(metrics.at(-1)!['kto/rewards/rejected']).toBeLessThan(-0.2)
  expect(metrics.some((line) => line['kto/kl']! > 0)).toBe(true)
  expect(table[1]!.positivePerplexity!).toBeLessThan(table[0]!.positivePerplexity!)
  expect(table[1]!.negativePerplexity!).toBeGreaterThan(table[0]!.negativePerplexity!)
})

it('measures the divergence behind every prompt on an answer to another question, once for the reference', async () => {
  const folder = folderOf('{ loss: kto }')
  await run(folder)
  const groups = await artifact<{ id: string; candidates: { tokens: number[] }[] }>(folder, 'label', 'groups.jsonl')
  const mismatched = await artifact<{ id: string; completion: number[]; referenceLogProb: number }>(
    folder,
    'align-mismatched',
    'mismatched.jsonl',
  )
  expect(mismatched.map(({ id }) => id)).toEqual(groups.map(({ id }) => id))
  mismatched.forEach(({ completion, referenceLogProb }, n) => {
    const next = groups[(n + 1) % groups.length]!.candidates.map(({ tokens }) => tokens)
    expect(next).toContainEqual(completion)
    expect(referenceLogProb).toBeLessThan(0)
  })
})

it('needs no divergence with reference point 0', async () => {
  const folder = folderOf('{ loss: kto, referencePoint: zero }')
  await run(folder)
  const stages = await readdir(path.join(folder, 'runs', 'default'))
  expect(stages.filter((name) => name.startsWith('align-mismatched'))).toEqual([])
  expect((await artifact(folder, 'align-kto', 'metrics.jsonl')).at(-1)).not.toHaveProperty(['kto/kl'])
})

it('says what is missing where there is one question only', async () => {
  const folder = folderOf('{ loss: kto }', rows.slice(0, 1))
  await expect(run(folder)).rejects.toMatchObject({
    code: 'PLUMB_REFERENCE_MISSING',
    message: expect.stringContaining('answers to other questions, and no other question has a candidate') as string,
  })
})

it('killed between two steps and continued, ends with the same bytes', async () => {
  const [whole, killed] = [folderOf('{ loss: kto, ktoBeta: 0.5 }'), folderOf('{ loss: kto, ktoBeta: 0.5 }')]
  await run(whole)
  let steps = 0
  const dies = new BigramBackend({
    onCall: (what) => {
      if (what === 'forwardBackward' && ++steps === 7) throw new Error('killed')
    },
  })
  await expect(run(killed, dies)).rejects.toThrow('killed')
  await run(killed)
  expect(await artifact(killed, 'align-kto', 'metrics.jsonl')).toEqual(await artifact(whole, 'align-kto', 'metrics.jsonl'))
})

it('cuts an answer to another question to what the context has room for behind the prompt', async () => {
  const records = [
    { prompt: 'q0 q1 q2 q4', completion: ' s0 a0', label: true },
    { prompt: 'q3', completion: ' s1 s2 s3 a1', label: false },
  ]
  const folder = folderOf('{ loss: kto }', records)
  await run(folder, new BigramBackend({ contextLength: 8 }))
  const groups = await artifact<{ promptTokens: number[]; candidates: { tokens: number[] }[] }>(folder, 'label', 'groups.jsonl')
  const mismatched = await artifact<{ completion: number[] }>(folder, 'align-mismatched', 'mismatched.jsonl')
  const [long, short] = [groups[1]!.candidates[0]!.tokens, groups[0]!.candidates[0]!.tokens]
  const room = 8 - groups[0]!.promptTokens.length
  expect(room).toBeLessThan(long.length)
  expect(mismatched.map(({ completion }) => completion)).toEqual([long.slice(0, room), short])
})
