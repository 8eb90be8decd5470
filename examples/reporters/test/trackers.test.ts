import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { testReporter } from '@plumbline/conformance'
import type { ReportedEvent, ReportedRun, Reporter, RunEnd } from '@plumbline/core'
import { trackioOptions, trackioReporter } from '../trackio'
import { wandbOptions, wandbReporter } from '../wandb'

const folders: string[] = []
const environment = { ...process.env }
let calls = ''
beforeEach(() => {
  const folder = mkdtempSync(path.join(tmpdir(), 'plumbline-tracker-'))
  folders.push(folder)
  calls = path.join(folder, 'calls.jsonl')
  Object.assign(process.env, { TRACKIO_CALLS: calls, PYTHONPATH: path.join(__dirname, 'clients'), PYTHONDONTWRITEBYTECODE: '1' })
})
afterAll(() => {
  process.env = environment
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

function started(): ReportedRun {
  const run = path.join(path.dirname(calls), 'seven')
  mkdirSync(run)
  return {
    run,
    engine: 'onnx',
    model: '/models/llama',
    seed: 3,
    stages: [{ stage: 'sft' }],
    settings: { sft: { steps: 3 } },
  }
}

const stage = { stage: 'align', variant: 'boundary' } as const
const NAME = 'align-boundary-1'
const folderOf = ({ run }: ReportedRun): string => path.join(run, NAME)
const begin = (run: ReportedRun, resumedAt?: number): ReportedEvent => ({
  type: 'stage-start',
  ...stage,
  path: folderOf(run),
  total: 3,
  resumedAt,
})
const step = (done: number, loss = 1 / done): ReportedEvent => ({
  type: 'progress',
  ...stage,
  done,
  total: 3,
  unit: 'steps',
  metrics: { step: done, loss },
})
const over = (run: ReportedRun): ReportedEvent => ({
  type: 'stage-end',
  ...stage,
  path: folderOf(run),
  seconds: 1,
  summary: '',
  figures: {},
})
const reused = (run: ReportedRun): ReportedEvent => ({ type: 'stage-reused', ...stage, path: folderOf(run), summary: '', figures: {} })
const end: RunEnd = { type: 'run-end', outcome: 'done', seconds: 1 }
const reported = (run: ReportedRun): RunEnd => ({
  ...end,
  report: {
    run: run.run,
    key: 'k',
    control: 'VFT',
    design: '',
    rows: [
      { name: 'VFT', questions: 4, accuracy: 0.5, interval: [0.25, 0.75] },
      { name: 'boundary', questions: 4, accuracy: 0.75, versusControl: { difference: 0.25, standardError: 0.1 } },
    ],
    notices: [],
    seconds: 1,
  },
})

const trackio = (more: object = {}): Reporter => trackioReporter(trackioOptions.parse({ project: 'mine', ...more }))
const wandb = (more: object = {}): Reporter => wandbReporter(wandbOptions.parse({ project: 'mine', ...more }))

async function tell(reporter: Reporter, run: ReportedRun, events: readonly ReportedEvent[], last: RunEnd = end): Promise<void> {
  await reporter.start?.(run)
  for (const event of events) await reporter.event(event, 0)
  await reporter.end?.(last, 0)
}

type Call = readonly [string, Readonly<Record<string, unknown>>]
const called = (): Call[] =>
  readFileSync(calls, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Call)
const logged = (): unknown[] => called().flatMap(([name, { step: at, metrics }]) => (name === 'log' ? [[at, metrics]] : []))

it('names the Python that cannot be started, and what to do', async () => {
  await expect(wandb({ python: 'no-such-python' }).start?.(started())).rejects.toThrow(
    /^Python cannot be started for wandb \(.*ENOENT\): install it and then "no-such-python -m pip install wandb", or name another one with the option "python"$/,
  )
})

const hasPython = spawnSync('python3', ['--version']).status === 0
const withPython = hasPython ? describe : describe.skip
withPython(`with a module that stands in for trackio${hasPython ? '' : ' (there is no python3)'}`, () => {
  it('makes a run for a stage, with settings and every step, and one for the closing table', async () => {
    const run = started()
    await tell(trackio({ space: 'me/mine' }), run, [begin(run), step(1), step(2), over(run)], reported(run))
    const [first, ...rest] = called()
    expect(first).toEqual([
      'init',
      {
        project: 'mine',
        name: expect.stringMatching(/^align-boundary-1-[0-9a-f]{8}$/) as unknown,
        group: 'seven',
        space_id: 'me/mine',
        config: { sft: { steps: 3 }, seed: 3, engine: 'onnx', model: 'llama', stage: 'align' },
        resume: 'allow',
        others: {},
      },
    ])
    expect(rest.map(([name]) => name)).toEqual(['log', 'log', 'finish', 'init', 'log', 'log', 'finish'])
    expect(rest[3]?.[1]).toMatchObject({
      name: expect.stringMatching(/^report-k-/) as unknown,
      group: 'seven',
      config: { stage: 'report' },
    })
    const [one, two, figures, table] = logged()
    expect([one, two]).toEqual([
      [1, { loss: 1 }],
      [2, { loss: 0.5 }],
    ])
    expect(figures).toEqual([
      0,
      {
        'VFT/questions': 4,
        'VFT/accuracy': 0.5,
        'VFT/accuracyLow': 0.25,
        'VFT/accuracyHigh': 0.75,
        'boundary/questions': 4,
        'boundary/accuracy': 0.75,
        'boundary/versusControl': 0.25,
        'boundary/versusControlError': 0.1,
      },
    ])
    expect(table).toMatchObject([
      null,
      { report: { table: [{ model: 'VFT', accuracy: 0.5, versusControl: null }, { model: 'boundary' }] } },
    ])
    expect(readFileSync(path.join(run.run, 'trackio.log'), 'utf8')).toMatch(/^\* Trackio project initialized: mine/)
  })

  it('goes on in the same run, with the steps since the last, and tells the table once', async () => {
    const run = started()
    await tell(trackio(), run, [begin(run), step(1), step(2)], { ...end, outcome: 'interrupted' })
    // From a checkpoint after the first step.
    await tell(trackio(), run, [begin(run, 1), step(2), step(3), over(run)], reported(run))
    await tell(trackio(), run, [reused(run)], reported(run))
    expect(logged().map((call) => (call as [number])[0])).toEqual([1, 2, 3, 0, null])
    const names = called().flatMap(([name, given]) => (name === 'init' ? [given.name] : []))
    expect(names).toEqual([names[0], names[0], expect.stringMatching(/^report-/)])
  })

  it('takes steps that it was not told from the run folder', async () => {
    const run = started()
    const lines = [1, 2, 3].map((at) => `${JSON.stringify({ step: at, loss: at })}\n`).join('')
    mkdirSync(path.join(folderOf(run), 'work'), { recursive: true })
    writeFileSync(path.join(folderOf(run), 'work', 'metrics.jsonl'), `${lines}{"step":`)
    await tell(trackio(), run, [begin(run, 2)], { ...end, outcome: 'failed' })
    expect(logged()).toEqual([
      [1, { loss: 1 }],
      [2, { loss: 2 }],
    ])
    writeFileSync(path.join(folderOf(run), 'metrics.jsonl'), lines)
    await tell(trackio(), run, [reused(run)])
    expect(logged().slice(2)).toEqual([[3, { loss: 3 }]])
  })

  it('says what the client refuses, in one line, and a client that is gone', async () => {
    const run = started()
    await expect(tell(trackio(), run, [begin(run), step(1, 13)])).rejects.toThrow(
      'The Python client of trackio says: ValueError: thirteen is refused',
    )
    await expect(tell(trackio(), run, [begin(run), step(1, 666)])).rejects.toThrow(
      `The Python client of trackio ended before the run; ${path.join(run.run, 'trackio.log')} has what it printed`,
    )
  })

  it('names the command that installs the client', async () => {
    process.env.PYTHONPATH = ''
    await expect(trackio().start?.(started())).rejects.toThrow(
      /^The Python client of trackio says: it is not installed; install it with: \/.*python\S* -m pip install trackio$/,
    )
  })

  describe('conformance', () => {
    testReporter({ name: 'trackio', factory: () => trackio() })
  })
})

const python = process.env.PLUMBLINE_WANDB_PYTHON
const withWandb = python === undefined ? describe.skip : describe
withWandb(`with the client of W&B, offline (PLUMBLINE_WANDB_PYTHON${python === undefined ? ' names no Python' : ''})`, () => {
  it('has the steps, the settings and the table in the records of the offline runs', async () => {
    process.env.WANDB_MODE = 'offline'
    const run = started()
    await tell(wandb({ python }), run, [begin(run), step(1), step(2)], { ...end, outcome: 'interrupted' })
    await tell(wandb({ python }), run, [begin(run, 1), step(2), step(3), over(run)], reported(run))
    expect(existsSync(path.join(run.run, 'wandb.json'))).toBe(true)
    const read = spawnSync(python ?? '', [path.join(__dirname, 'read_wandb.py'), run.run], { encoding: 'utf8' })
    expect([read.status, read.status === 0 ? '' : read.stderr]).toEqual([0, ''])
    const found = Object.entries(JSON.parse(read.stdout) as Record<string, object>)
    expect(found.map(([id]) => id.replace(/-[0-9a-f]{8}$/, ''))).toEqual([NAME, 'report-k'])
    const config = { sft: { steps: 3 }, seed: 3, engine: 'onnx', model: 'llama' }
    expect(found[0]?.[1]).toMatchObject({
      project: 'mine',
      group: 'seven',
      kind: 'align',
      name: NAME,
      config,
      figures: [1, 2, 3].map((at) => [at, { loss: 1 / at }]),
      exit: 0,
    })
    expect(found[1]?.[1]).toMatchObject({
      kind: 'report',
      figures: [[0, { 'VFT/accuracy': 0.5, 'boundary/versusControl': 0.25 }]],
      tables: [[2, 11]],
      exit: 0,
    })
  }, 240_000)
})
