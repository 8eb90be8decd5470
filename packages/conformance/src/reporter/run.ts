import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ReportedEvent, ReportedRun, RunEnd } from '@plumbline/core'

/** A small run as reporters are told it: one event of every type, in an order in which they come. */
export interface ToldRun {
  readonly run: ReportedRun
  readonly events: readonly ReportedEvent[]
  readonly end: RunEnd
}

export function toldRun(folder: string): ToldRun {
  const sft = path.join(folder, 'sft-387429f7')
  const align = path.join(folder, 'align-boundary-3745a2af')
  const figures = { loss: 1.2, gradNorm: 0.5, learningRate: 1e-5 }
  return {
    run: {
      run: folder,
      engine: 'onnx (CPU, 2 threads)',
      model: 'models/llama',
      seed: 0,
      stages: [{ stage: 'sft' }, { stage: 'align', variant: 'boundary' }],
      settings: { seed: 0, sft: { steps: 2, learningRate: 1e-5 }, align: [{ name: 'boundary', losses: [{ name: 'ca', weight: 1 }] }] },
    },
    events: [
      { type: 'data', source: 'data.train', records: 8, leftOut: {}, drawn: 8 },
      { type: 'notice', level: 'info', message: 'memory: 2 GB are enough.' },
      { type: 'stage-reused', stage: 'sft', path: sft, summary: '2 steps of 16', figures: { steps: 2, loss: 1.5 } },
      { type: 'stage-start', stage: 'align', variant: 'boundary', path: align, total: 2 },
      { type: 'progress', stage: 'align', variant: 'boundary', done: 1, total: 2, unit: 'steps', eta: 1, metrics: { step: 1, ...figures } },
      {
        type: 'progress',
        stage: 'align',
        variant: 'boundary',
        done: 2,
        total: 2,
        unit: 'steps',
        metrics: { step: 2, ...figures, loss: 1 },
      },
      { type: 'notice', level: 'warning', message: '3 questions have no wrong candidate.' },
      {
        type: 'stage-end',
        stage: 'align',
        variant: 'boundary',
        path: align,
        seconds: 2,
        summary: '2 steps of 16',
        figures: { steps: 2, loss: 1 },
      },
    ],
    end: {
      type: 'run-end',
      outcome: 'done',
      seconds: 3,
      report: {
        run: folder,
        key: '6f0d2c1e',
        control: 'VFT',
        design: 'the same questions again',
        rows: [
          { name: 'VFT', questions: 8, accuracy: 0.5, interval: [0.2, 0.8], assessmentAccuracy: 0.7 },
          { name: 'boundary', questions: 0 },
        ],
        notices: [],
        seconds: 3,
      },
    },
  }
}

export const FAILED: RunEnd = {
  type: 'run-end',
  outcome: 'failed',
  seconds: 1,
  error: { code: 'PLUMB_NON_FINITE_LOSS', where: 'sft', message: 'The loss is NaN.' },
}
export const INTERRUPTED: RunEnd = {
  type: 'run-end',
  outcome: 'interrupted',
  seconds: 1,
  error: { code: 'PLUMB_INTERRUPTED', message: 'Stopped in sft after step 1 of 2.' },
}

/** Lends an empty run folder. */
export async function withRunFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const parent = mkdtempSync(path.join(tmpdir(), 'plumbline-reporter-'))
  try {
    const folder = path.join(parent, 'run')
    mkdirSync(folder)
    return await work(folder)
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
}
