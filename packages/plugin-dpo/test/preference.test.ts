import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { runConfig } from '@plumbline/core'
import { BigramBackend } from '../../core/test/support/bigram-backend'
import { folderWith } from '../../core/test/support/files'
import { registryOf, WORDS } from '../../core/test/support/world'
import dpoPlugin from '../src'

const pairs = Array.from({ length: 8 }, (_, d) => ({ prompt: `q${d}`, chosen: `s${d} a${d}`, rejected: `s${d + 1} a${d + 1}` }))
const lines = (records: readonly object[]) => records.map((record) => `${JSON.stringify(record)}\n`).join('')

const CONFIG = `backend: bigram
model: { architecture: { words: [${WORDS.join(', ')}] }, tokenizer: tokenizer }
data:
  train: { path: pairs.jsonl, format: preference, chosenIsReference: false }
  test: { path: pairs.jsonl, format: preference }
sft: { steps: 0 }
sample: { sampler: dataset }
label: dataset
align: { losses: [{ loss: dpo, dpoBeta: 0.5 }], name: dpo, steps: 20, batchSize: 8, learningRate: 0.1 }
`

/** Runs a config file over preference pairs, from the file to the report, on an exact bigram model. */
async function run(folder: string) {
  const registry = registryOf(new BigramBackend(), { plugins: [dpoPlugin] })
  return runConfig({ path: path.join(folder, 'plumbline.config.yaml'), registry })
}

const folderOfPairs = () => folderWith({ 'plumbline.config.yaml': CONFIG, 'pairs.jsonl': lines(pairs), 'tokenizer/tokenizer.json': '{}' })

it('trains on a file of preference pairs: log 2 at the reference model, then every pair in order', async () => {
  const folder = folderOfPairs()
  const { rows, samples } = await run(folder)
  expect(samples).toMatchObject({ given: 16, right: 8, wrong: 8 })
  const runFolder = path.join(folder, 'runs', 'default')
  const stage = (await readdir(runFolder)).find((name) => name.startsWith('align-dpo-'))!
  const metrics = (await readFile(path.join(runFolder, stage, 'metrics.jsonl'), 'utf8'))
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, number>)
  expect(metrics[0]!['loss/dpo']).toBeCloseTo(Math.LN2, 6)
  expect(metrics[0]!['dpo/rewards/margins']).toBeCloseTo(0, 6)
  expect(metrics.at(-1)!['loss/dpo']).toBeLessThan(0.3)
  expect(metrics.at(-1)!['dpo/rewards/accuracies']).toBeCloseTo(1, 6)
  expect(rows.map(({ name, accuracy }) => [name, accuracy])).toEqual([
    ['VFT', undefined],
    ['dpo', undefined],
  ])
  expect(rows[1]!.assessmentAccuracy).toBe(1)
  expect(rows[1]!.negativePerplexity! / rows[1]!.positivePerplexity!).toBeGreaterThan(
    rows[0]!.negativePerplexity! / rows[0]!.positivePerplexity!,
  )
})

it('changes nothing where chosen and rejected are the same text', async () => {
  const folder = folderOfPairs()
  await writeFile(path.join(folder, 'pairs.jsonl'), lines(pairs.map((pair) => ({ ...pair, rejected: pair.chosen }))))
  const { notices, rows, samples } = await run(folder)
  expect(samples).toMatchObject({ given: 16, duplicate: 8 })
  expect(notices).toContain('In 8 of 8 questions of data.train the same text stands twice with different labels; the first counts.')
  expect(notices.join('\n')).toContain('no question gives dpo anything to compare; its training is skipped')
  expect(rows[1]!.positivePerplexity).toBe(rows[0]!.positivePerplexity)
})
