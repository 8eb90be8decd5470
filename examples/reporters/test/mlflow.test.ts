import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { testReporter } from '@plumbline/conformance'
import type { ReportedEvent, ReportedRun, RunEnd } from '@plumbline/core'
import { MlflowReporter, mlflowOptions } from '../mlflow'
import { fakeMlflow, type Call } from './fake-mlflow'

let server: Awaited<ReturnType<typeof fakeMlflow>>
const folders: string[] = []
beforeEach(async () => {
  server = await fakeMlflow()
})
afterEach(async () => {
  await server.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const reporter = (more: object = {}) => new MlflowReporter(mlflowOptions.parse({ url: server.url, ...more }))

function started(): ReportedRun {
  const run = mkdtempSync(path.join(tmpdir(), 'plumbline-mlflow-'))
  folders.push(run)
  return {
    run,
    engine: 'onnx',
    model: '/models/llama',
    seed: 3,
    stages: [{ stage: 'sft' }],
    settings: { sft: { steps: 3, learningRate: 0.1 } },
  }
}

const begin = (run: ReportedRun): ReportedEvent => ({ type: 'stage-start', stage: 'sft', path: path.join(run.run, 'sft-1'), total: 3 })
const step = (done: number): ReportedEvent => ({
  type: 'progress',
  stage: 'sft',
  done,
  total: 3,
  unit: 'steps',
  metrics: { step: done, loss: 1 / done },
})
const end: RunEnd = { type: 'run-end', outcome: 'done', seconds: 1 }
const bodies = (calls: readonly Call[], endpoint: string) => calls.filter((call) => call.endpoint === endpoint).map(({ body }) => body)

it('makes experiment and run, sends settings and every step, and says how it ended', async () => {
  const run = started()
  const made = reporter({ experiment: 'mine', token: 't' })
  await made.start(run)
  for (const [n, event] of [begin(run), step(1), step(2)].entries()) await made.event(event, 1000 + n)
  await made.end(
    {
      ...end,
      report: { run: run.run, control: 'VFT', design: '', rows: [{ name: 'VFT', questions: 2, accuracy: 0.5 }], notices: [], seconds: 1 },
    },
    2000,
  )
  const { calls } = server
  expect(calls.every(({ authorization }) => authorization === 'Bearer t')).toBe(true)
  expect(bodies(calls, 'experiments/create')).toEqual([{ name: 'mine' }])
  expect(bodies(calls, 'runs/create')).toMatchObject([{ experiment_id: '7', run_name: path.basename(run.run) }])
  const [settings, ...batches] = bodies(calls, 'runs/log-batch')
  expect(settings).toMatchObject({
    run_id: 'abc',
    params: [
      { key: 'sft.steps', value: '3' },
      { key: 'sft.learningRate', value: '0.1' },
      { key: 'seed', value: '3' },
      { key: 'engine', value: 'onnx' },
      { key: 'model', value: 'llama' },
    ],
  })
  expect(batches).toEqual([
    {
      run_id: 'abc',
      metrics: [
        { key: 'sft/loss', value: 1, timestamp: 1001, step: 1 },
        { key: 'sft/loss', value: 0.5, timestamp: 1002, step: 2 },
        { key: 'report/VFT/accuracy', value: 0.5, timestamp: 2000, step: 0 },
      ],
    },
  ])
  expect(bodies(calls, 'runs/update')).toEqual([{ run_id: 'abc', status: 'FINISHED', end_time: 2000 }])
})

it('goes on in the same run, and sends no step twice', async () => {
  const run = started()
  const first = reporter()
  await first.start(run)
  for (const event of [begin(run), step(1), step(2)]) await first.event(event, 0)
  await first.end({ ...end, outcome: 'interrupted' }, 0)
  server.calls.length = 0

  const second = reporter()
  await second.start(run)
  // from a checkpoint after the first step
  for (const event of [begin(run), step(2), step(3)]) await second.event(event, 0)
  await second.end(end, 0)
  expect(bodies(server.calls, 'runs/create')).toEqual([])
  expect(bodies(server.calls, 'runs/log-batch')).toMatchObject([{ run_id: 'abc', metrics: [{ key: 'sft/loss', step: 3 }] }])
  expect(bodies(server.calls, 'runs/update')).toMatchObject([{ status: 'RUNNING' }, { status: 'FINISHED' }])
})

it('says what the server answers', async () => {
  const refusing = await fakeMlflow(403)
  try {
    await expect(reporter({ url: refusing.url }).start(started())).rejects.toThrow(/^MLflow answers experiments\/create with 403: /)
  } finally {
    await refusing.close()
  }
})

describe('conformance', () => {
  testReporter({ name: 'mlflow', factory: () => reporter() })
})
