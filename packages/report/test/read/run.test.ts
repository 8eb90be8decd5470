import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { runConfig } from '@plumbline/core'
import { renderHtmlReport } from '../../src'
import { changeOf, overallChange } from '../../src/read/questions'
import { readRun } from '../../src/read/run'
import { world } from '../../../core/test/support/world'
import { syntheticRun } from '../support/synthetic-run'

const root = mkdtempSync(path.join(tmpdir(), 'plumb-report-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let made = 0
const fresh = () => path.join(root, `run-${++made}`)
const small = { questions: 6, k: 2, variants: ['boundary', 'control'], steps: 3, words: 3 }
const text = (page: string) =>
  page
    .replace(/<style>[^]*?<\/style>|<script>[^]*?<\/script>/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')

/** The folders of a stage. */
const foldersOf = (run: string, stage: string, variant?: string) =>
  readdirSync(run)
    .filter((name) => name.startsWith(`${stage}-`))
    .filter((name) => (JSON.parse(readFileSync(path.join(run, name, 'done.json'), 'utf8')) as { variant?: string }).variant === variant)
    .map((name) => path.join(run, name))

it('finds the stages of a report among those of other settings and seeds in one folder', async () => {
  const run = fresh()
  const first = await syntheticRun(run, { ...small, seed: 1 })
  const second = await syntheticRun(run, { ...small, seed: 2 })
  expect(first.key).not.toBe(second.key)
  const [latest, earlier] = [await readRun(run, 10), await readRun(path.join(run, `report-${first.key}.json`), 10)]
  expect([latest.seed, latest.report?.key, latest.file]).toEqual([2, second.key, 'report.json'])
  expect([earlier.seed, earlier.report?.key, earlier.file]).toEqual([1, first.key, `report-${first.key}.json`])
  for (const record of [latest, earlier]) {
    expect(record.missing).toEqual([])
    expect(record.stages.map(({ found: { stage, variant } }) => [stage, variant].filter(Boolean).join(' '))).toEqual([
      'sft',
      'sample',
      'label',
      'align boundary',
      'align control',
      'evaluate candidates',
      'evaluate VFT',
      'evaluate boundary',
      'evaluate control',
    ])
    expect(new Set(record.stages.map(({ found }) => found.determinedBy.seed ?? record.seed))).toEqual(new Set([record.seed]))
    // of the answers it read, exactly as many are right as the report says
    for (const [m, row] of (record.report?.rows ?? []).entries()) {
      expect(record.marks.filter(({ right }) => right[m]).length / 6).toBe(row.accuracy)
    }
  }
})

it('finds what the models of a further round were made from', async () => {
  const { config, registry } = await world({ config: { rounds: 2 } })
  await runConfig({ config, registry })
  const record = await readRun(config.run, 10)
  expect(record.missing).toEqual([])
  const titles = record.stages.map(({ found: { stage, variant } }) => [stage, variant].filter(Boolean).join(' '))
  expect(titles.slice(0, 16)).toEqual([
    ...['sft', 'sample', 'label', 'align reference', 'align boundary', 'align stay', 'align control'],
    ...['sample boundary+2', 'label boundary+2', 'sample stay+2', 'label stay+2', 'align reference', 'sample control+2', 'label control+2'],
    ...['align boundary+2', 'align stay+2'],
  ])
  // each with its own tokens
  const tokens = record.stages.flatMap(({ found, tokens }) => (found.stage === 'sample' ? [tokens] : []))
  expect(tokens).toHaveLength(4)
  expect(tokens.every((count) => count !== undefined && count > 0)).toBe(true)
  expect(new Set(tokens).size).toBeGreaterThan(1)
  const page = text(await renderHtmlReport({ runs: [config.run] }))
  expect(page).toContain('A model with “+2” is that variant after its second round')
})

it('says which files the data came from, what each stage took, and on what machine', async () => {
  const run = fresh()
  await syntheticRun(run, small)
  const page = text(await renderHtmlReport({ runs: [run] }))
  for (const shown of [
    'models/base',
    'data/train.jsonl',
    'data/test.jsonl',
    'A processor, 2 cores',
    'linux x64, Node v22.0.0',
    '1:15',
    '@plumbline/core',
    'losses.0.name boundary',
    'sft.learningRate 0.001',
  ])
    expect(page).toContain(shown)
  // 3 steps of 900 tokens in 75 seconds
  expect(page).toContain('1:15 2,700 36')
})

it('shows an unfinished run as far as it is, and says what is missing', async () => {
  const run = fresh()
  await syntheticRun(run, small)
  for (const name of readdirSync(run).filter((each) => each.startsWith('evaluate-') || each.startsWith('report')))
    rmSync(path.join(run, name), { recursive: true })
  // one variant is at work: what determines it stands in work/, and a torn line in its metrics
  const [control = ''] = foldersOf(run, 'align', 'control')
  const { stage, variant, key, determinedBy } = JSON.parse(readFileSync(path.join(control, 'done.json'), 'utf8')) as Record<string, unknown>
  mkdirSync(path.join(control, 'work'))
  writeFileSync(path.join(control, 'work', 'stage.json'), JSON.stringify({ stage, variant, key, determinedBy }))
  renameSync(path.join(control, 'metrics.jsonl'), path.join(control, 'work', 'metrics.jsonl'))
  appendFileSync(path.join(control, 'work', 'metrics.jsonl'), '{"step":4,"lo')
  rmSync(path.join(control, 'done.json'))

  const record = await readRun(run, 10)
  expect(record.report).toBeUndefined()
  expect(record.missing).toEqual([
    'The run is not finished, so there is no table of results yet; “plumb run” goes on with it.',
    `Alignment of control: begun in ${path.basename(control)}, not finished.`,
    'Evaluation (evaluate): no model evaluated, so there are no scores, no answers and no calibration.',
  ])
  expect(record.models.map(({ name, curve }) => [name, curve.length])).toEqual(
    expect.arrayContaining([
      ['VFT', 3],
      ['boundary', 3],
      ['control', 3],
    ]),
  )
  const page = text(await renderHtmlReport({ runs: [run] }))
  for (const sentence of record.missing) expect(page).toContain(sentence)
  expect(page).toContain('There is no table of results yet')
})

it('shows the models that are evaluated while others are not', async () => {
  const run = fresh()
  await syntheticRun(run, small)
  for (const name of readdirSync(run).filter((each) => each.startsWith('report'))) rmSync(path.join(run, name))
  rmSync(foldersOf(run, 'evaluate', 'control')[0] ?? '', { recursive: true })
  const record = await readRun(run, 10)
  expect(record.missing).toEqual([
    'The run is not finished, so there is no table of results yet; “plumb run” goes on with it.',
    'Evaluation of control: not begun.',
  ])
  const has = (name: string, of: (m: number) => unknown) => of(record.models.findIndex((model) => model.name === name)) !== undefined
  for (const name of ['VFT', 'boundary', 'control']) {
    expect([name, has(name, (m) => record.marks[0]?.scores[m])]).toEqual([name, name !== 'control'])
    expect([name, has(name, (m) => record.marks[0]?.right[m])]).toEqual([name, name !== 'control'])
  }
})

it('says what is gone of a report whose stages were deleted, and shows its figures all the same', async () => {
  const run = fresh()
  const report = await syntheticRun(run, small)
  for (const name of readdirSync(run).filter((each) => !each.startsWith('report'))) rmSync(path.join(run, name), { recursive: true })
  const page = await renderHtmlReport({ runs: [run] })
  expect(text(page)).toContain('The stages that this report was made from are no longer in the folder')
  for (const row of report.rows) expect(page).toContain(`data-value="${row.accuracy}"`)
})

it('names questions by their ids where a version did not keep their texts', async () => {
  const run = fresh()
  await syntheticRun(run, { ...small, withoutQuestions: true })
  const page = text(await renderHtmlReport({ runs: [run] }))
  expect(page).toContain('did not keep the texts of the questions')
  expect(page).toContain('test:3')
})

it('shows as many questions as is said, changed ones first, and says how many there are', async () => {
  const run = fresh()
  await syntheticRun(run, { ...small, questions: 30 })
  const all = await readRun(run, 30)
  const record = await readRun(run, 4)
  expect(record.shown).toHaveLength(4)
  const lost = all.marks.filter((marks) => overallChange(marks) === 'right→wrong')
  expect(record.shown.slice(0, lost.length).map(({ marks: { id } }) => id)).toEqual(lost.slice(0, 4).map(({ id }) => id))
  expect(text(await renderHtmlReport({ runs: [run], questions: 4 }))).toContain('Shown are 4 of 30 questions')
})

it('tells what became of an answer', () => {
  const marks = { id: 'q', positive: [], scores: [], right: [true, false, true] }
  expect([false, true, undefined].map((after) => changeOf(marks, after))).toEqual(['right→wrong', 'right', 'unasked'])
  expect(overallChange(marks)).toBe('right→wrong')
  expect(overallChange({ ...marks, right: [false, false, true] })).toBe('wrong→right')
})

describe('several runs', () => {
  it('have means with intervals over them, and the one thing that differs', async () => {
    const runs = [fresh(), fresh(), fresh()]
    const reports = []
    for (const [seed, run] of runs.entries()) reports.push(await syntheticRun(run, { ...small, questions: 20, seed }))
    const page = await renderHtmlReport({ runs })
    const values = reports.map(({ rows }) => rows[1]?.versusControl?.difference ?? NaN)
    const mean = values.reduce((sum, value) => sum + value, 0) / 3
    const half = (4.30265 * Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 2)) / Math.sqrt(3)
    const [, shown = '', upper = ''] =
      /data-model="boundary">[^]*?data-figure="difference"\s+data-value="([^"]*)"\s+data-second="([^"]*)"/.exec(page) ?? []
    expect(Number(shown)).toBeCloseTo(mean, 12)
    expect(Number(upper)).toBeCloseTo(mean + half, 6)
    expect(text(page)).toContain('The seed alone.')
  })

  it('of different settings say so', async () => {
    const runs = [fresh(), fresh()]
    await syntheticRun(runs[0] ?? '', small)
    await syntheticRun(runs[1] ?? '', { ...small, seed: 1, learningRate: 0.1 })
    const page = text(await renderHtmlReport({ runs }))
    expect(page).toContain('More than the seed: the means are over different settings.')
    expect(page).toContain('sft: sft.learningRate 0.001 0.1')
  })

  it('count once each, and only runs that are there', async () => {
    const run = fresh()
    await syntheticRun(run, small)
    await expect(renderHtmlReport({ runs: [run, `${run}/`] })).rejects.toMatchObject({ code: 'PLUMB_REPORT_RUN_TWICE' })
    await expect(renderHtmlReport({ runs: [run, path.join(root, 'none')] })).rejects.toMatchObject({
      code: 'PLUMB_REPORT_NO_RUN',
      message: expect.stringContaining('is not there') as string,
    })
    await expect(renderHtmlReport({ runs: [path.join(run, 'log.jsonl')] })).rejects.toMatchObject({ code: 'PLUMB_REPORT_NO_RUN' })
    await expect(renderHtmlReport({ runs: [] })).rejects.toMatchObject({ code: 'PLUMB_REPORT_NO_RUN' })
    mkdirSync(path.join(root, 'empty'))
    await expect(renderHtmlReport({ runs: [path.join(root, 'empty')] })).rejects.toMatchObject({ code: 'PLUMB_REPORT_NO_RUN' })
  })
})

describe('a file that is not what its stage wrote', () => {
  it.each([
    ['sft', undefined, 'metrics.jsonl'],
    ['label', undefined, 'groups.jsonl'],
    ['evaluate', 'candidates', 'candidates.jsonl'],
    ['evaluate', 'boundary', 'scores.jsonl'],
    ['evaluate', 'control', 'answers.jsonl'],
  ])('is refused: %s %s %s', async (stage, variant, name) => {
    const run = fresh()
    await syntheticRun(run, small)
    const [folder = ''] = foldersOf(run, stage, variant)
    appendFileSync(path.join(folder, name), '{}\n')
    await expect(renderHtmlReport({ runs: [run] })).rejects.toMatchObject({
      code: 'PLUMB_ARTIFACT_CHANGED',
      where: path.join(folder, name),
    })
    rmSync(path.join(folder, name))
    await expect(renderHtmlReport({ runs: [run] })).rejects.toMatchObject({ code: 'PLUMB_ARTIFACT_GONE' })
  })

  it('is refused where it is a manifest or the report', async () => {
    const run = fresh()
    await syntheticRun(run, small)
    const copy = fresh()
    cpSync(run, copy, { recursive: true })
    const [folder = ''] = foldersOf(run, 'sft')
    writeFileSync(path.join(folder, 'done.json'), '{"stage":1}')
    await expect(renderHtmlReport({ runs: [run] })).rejects.toMatchObject({ code: 'PLUMB_ARTIFACT_DAMAGED' })
    writeFileSync(path.join(copy, 'report.json'), '{"rows":[]}')
    await expect(renderHtmlReport({ runs: [copy] })).rejects.toMatchObject({ code: 'PLUMB_ARTIFACT_DAMAGED' })
  })
})
