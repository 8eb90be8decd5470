import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { testReporter } from '@plumbline/conformance'
import type { ReportedEvent, ReportedRun, RunEnd } from '@plumbline/core'
import plugin, { decodeEvent, recordsOf, TensorBoardReporter, tensorBoardOptions } from '../src'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

function started(): ReportedRun {
  const run = mkdtempSync(path.join(tmpdir(), 'plumbline-tensorboard-'))
  folders.push(run)
  return { run, engine: 'onnx', model: 'llama', seed: 0, stages: [{ stage: 'sft' }], settings: {} }
}

const reporter = (options: object = {}) => new TensorBoardReporter(tensorBoardOptions.parse(options))
const stage = { stage: 'align', variant: 'boundary' } as const
const folderOf = ({ run }: ReportedRun): string => path.join(run, 'align-boundary-1')
const begin = (run: ReportedRun, resumedAt?: number): ReportedEvent => ({
  type: 'stage-start',
  ...stage,
  path: folderOf(run),
  total: 5,
  ...(resumedAt === undefined ? {} : { resumedAt }),
})
const step = (done: number): ReportedEvent => ({ type: 'progress', ...stage, done, total: 5, unit: 'steps', metrics: figures(done) })
const figures = (done: number) => ({ step: done, loss: 1 / done, 'score/positive': -done })
const end: RunEnd = { type: 'run-end', outcome: 'done', seconds: 1 }

async function tell(run: ReportedRun, events: readonly ReportedEvent[], last: RunEnd = end): Promise<void> {
  const made = reporter()
  made.start(run)
  for (const [n, event] of events.entries()) await made.event(event, 1_700_000_000_000 + 1000 * n)
  await made.end(last, 1_700_000_100_000)
}

/** Every scalar in the order of files and records: run → tag → [step, value]. */
function scalars({ run }: ReportedRun): Record<string, Record<string, [number, number][]>> {
  const found: Record<string, Record<string, [number, number][]>> = {}
  const top = path.join(run, 'tensorboard')
  for (const file of readdirSync(top, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!file.includes('tfevents')) continue
    const tags = (found[path.dirname(file)] ??= {})
    for (const record of recordsOf(readFileSync(path.join(top, file)))) {
      const { step: at, scalars: values } = decodeEvent(record)
      for (const [tag, value] of Object.entries(values)) (tags[tag] ??= []).push([at, value])
    }
  }
  return found
}

const losses = (run: ReportedRun) => scalars(run)['align-boundary-1']?.loss

it('writes every figure of every step, in a run named as the stage’s folder', async () => {
  const run = started()
  await tell(run, [begin(run), step(1), step(2), step(4)])
  expect(scalars(run)).toEqual({
    'align-boundary-1': {
      loss: [
        [1, 1],
        [2, 0.5],
        [4, 0.25],
      ],
      'score/positive': [
        [1, -1],
        [2, -2],
        [4, -4],
      ],
    },
  })
})

it('writes no step twice where a killed run goes on from a checkpoint', async () => {
  const run = started()
  await tell(run, [begin(run), step(1), step(2), step(3)])
  const [file = ''] = readdirSync(path.join(run.run, 'tensorboard', 'align-boundary-1'))
  // The last record is torn, as by a kill: the third step is not there.
  const full = path.join(run.run, 'tensorboard', 'align-boundary-1', file)
  truncateSync(full, readFileSync(full).length - 3)
  await tell(run, [begin(run, 1), step(2), step(3), step(4)])
  expect(losses(run)?.map(([at]) => at)).toEqual([1, 2, 3, 4])
})

it('takes steps that it was not told from the run folder: of a stage that goes on, and of one that is reused', async () => {
  const run = started()
  const lines = (count: number, more: object = {}) =>
    Array.from({ length: count }, (_, n) => `${JSON.stringify({ ...figures(n + 1), ...more })}\n`).join('')
  mkdirSync(path.join(folderOf(run), 'work'), { recursive: true })
  writeFileSync(path.join(folderOf(run), 'work', 'metrics.jsonl'), `${lines(3)}{"step":4,"lo`)
  await tell(run, [begin(run, 2), step(3)])
  expect(losses(run)?.map(([at]) => at)).toEqual([1, 2, 3])

  writeFileSync(path.join(folderOf(run), 'metrics.jsonl'), lines(5))
  writeFileSync(path.join(folderOf(run), 'validation.jsonl'), '{"step":4,"validation/sft":2}\n')
  const reused: ReportedEvent = { type: 'stage-reused', ...stage, path: folderOf(run), summary: '', figures: {} }
  for (let time = 0; time < 2; time++) await tell(run, [reused])
  expect(losses(run)?.map(([at]) => at)).toEqual([1, 2, 3, 4, 5])
  expect(scalars(run)['align-boundary-1']?.['validation/sft']).toEqual([[4, 2]])
})

it('writes the closing table once', async () => {
  const run = started()
  const rows = [{ name: 'VFT', questions: 4, accuracy: 0.5, interval: [0.25, 0.75] as const }]
  const report = { run: run.run, key: 'k', control: 'VFT', design: '', rows, notices: [], seconds: 1 }
  for (let time = 0; time < 2; time++) await tell(run, [], { ...end, report })
  expect(scalars(run)).toEqual({ 'report-k/VFT': { accuracy: [[0, 0.5]], 'accuracy/low': [[0, 0.25]], 'accuracy/high': [[0, 0.75]] } })
})

it('writes elsewhere where it is asked to', async () => {
  const run = started()
  const made = reporter({ folder: '../elsewhere' })
  made.start({ ...run, run: path.join(run.run, 'runs', 'one') })
  await made.event(begin(run), 0)
  await made.event(step(1), 0)
  await made.end(end, 0)
  expect(readdirSync(path.join(run.run, 'runs', 'elsewhere'))).toEqual(['align-boundary-1'])
})

it('is registered under its name', () => {
  const names: string[] = []
  plugin.register({ reporter: (name: string) => names.push(name) } as never)
  expect(names).toEqual(['tensorboard'])
})

testReporter({ name: 'tensorboard', factory: () => reporter() })

const python = process.env.PLUMBLINE_TENSORBOARD_PYTHON
const described = python === undefined ? describe.skip : describe
described(`TensorBoard's own reader (PLUMBLINE_TENSORBOARD_PYTHON${python === undefined ? ' names no Python' : ''})`, () => {
  it('finds what was written', async () => {
    const run = started()
    await tell(run, [begin(run), step(1), step(2)])
    await tell(run, [begin(run, 1), step(2), step(3)])
    const { stdout, stderr, status } = spawnSync(
      python ?? '',
      [path.join(__dirname, 'read_events.py'), path.join(run.run, 'tensorboard')],
      {
        encoding: 'utf8',
      },
    )
    expect([status, status === 0 ? '' : stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toEqual(scalars(run))
  })
})
