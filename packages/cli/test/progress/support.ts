import type { RunEvent, StageProgress } from '@plumbline/core'

/** A run in the middle of its second variant: what stands before it is done, of which the first stage was reused. */
export const START = Date.UTC(2026, 0, 1)

export const stages = [
  { stage: 'sft' },
  { stage: 'sample' },
  { stage: 'label' },
  { stage: 'align', variant: 'boundary' },
  { stage: 'align', variant: 'none' },
  { stage: 'evaluate', variant: 'candidates' },
  { stage: 'evaluate', variant: 'VFT' },
  { stage: 'evaluate', variant: 'boundary' },
  { stage: 'evaluate', variant: 'none' },
] as const

export const runStart: RunEvent = { type: 'run-start', run: 'runs/quick', engine: 'onnx (CPU, 2 threads)', model: 'llama', seed: 0, stages }

export function step(done: number, total: number, variant: string, more: Partial<StageProgress> = {}): RunEvent {
  const metrics = { step: done, loss: 4 / (1 + done / 20), assessment: Math.min(0.95, 0.5 + done / 200), ...more.metrics }
  return {
    type: 'progress',
    stage: 'align',
    variant,
    done,
    total,
    unit: 'steps',
    tokensPerSecond: 12_345,
    eta: (total - done) / 2,
    ...more,
    metrics,
  }
}

const align = { stage: 'align', path: '/r/a', total: 100 } as const

/** Events, each with the seconds since the start. */
export const RUN: readonly (readonly [seconds: number, event: RunEvent])[] = [
  [0, runStart],
  [0, { type: 'stage-reused', stage: 'sft', path: '/r/s', summary: '64 steps of 16, loss 0.310', figures: {} }],
  [1, { type: 'stage-start', stage: 'sample', path: '/r/p', total: 1200 }],
  [
    8,
    {
      type: 'stage-end',
      stage: 'sample',
      path: '/r/p',
      seconds: 7,
      summary: '1200 completions for 400 questions, 0 of them duplicates',
      figures: {},
    },
  ],
  [8, { type: 'stage-end', stage: 'label', path: '/r/l', seconds: 0.2, summary: '700 right, 500 wrong', figures: {} }],
  [9, { type: 'stage-start', ...align, variant: 'boundary' }],
  ...Array.from({ length: 100 }, (_, n) => [10 + n / 2, step(n + 1, 100, 'boundary')] as const),
  [
    60,
    {
      type: 'stage-end',
      stage: 'align',
      variant: 'boundary',
      path: '/r/a',
      seconds: 51,
      summary: '100 steps of 16, loss 0.667',
      figures: {},
    },
  ],
  [61, { type: 'stage-start', ...align, variant: 'none' }],
  ...Array.from({ length: 40 }, (_, n) => [62 + n / 2, step(n + 1, 100, 'none')] as const),
]

/** Its stages at the end of {@link RUN}, as a list shows them. */
export const SIGNED_STAGES = [
  '✓ sft',
  '✓ sample',
  '✓ label',
  '✓ align boundary',
  '▸ align none',
  '· evaluate candidates',
  '· evaluate VFT',
  '· evaluate boundary',
  '· evaluate none',
]
