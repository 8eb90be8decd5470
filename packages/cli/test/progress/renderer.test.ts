import type { RunEvent } from '@plumbline/core'
import { createRenderer, type ProgressMode } from '../../src/progress/renderer'

/** Feeds events at given milliseconds and returns everything written. */
function draw(mode: ProgressMode, events: readonly (readonly [at: number, event: RunEvent | string])[], columns = 100): string {
  let time = 0
  let written = ''
  const renderer = createRenderer(mode, { write: (text) => (written += text), columns }, { env: {}, now: () => time })
  for (const [at, event] of events) {
    time = at
    if (typeof event === 'string') renderer.say(event)
    else renderer.handle(event)
  }
  renderer.close()
  return written
}

const step = (done: number, loss: number, variant?: string): RunEvent => ({
  type: 'progress',
  stage: variant === undefined ? 'sft' : 'align',
  variant,
  done,
  total: 2400,
  unit: 'steps',
  tokensPerSecond: 12_345,
  eta: 65,
  metrics: { gradNorm: 0.5, loss },
})

const RUN: readonly (readonly [number, RunEvent | string])[] = [
  [
    0,
    {
      type: 'run-start',
      run: 'runs/quick',
      engine: 'onnx (CPU, 2 threads)',
      model: 'llama, 364512 parameters',
      seed: 0,
      stages: [{ stage: 'sft' }],
    },
  ],
  [1, { type: 'stage-start', stage: 'sft', path: 'runs/quick/sft', total: 2400 }],
  [100, step(1, 5.1234567)],
  [110, step(2, 5)],
  [16_000, step(1200, 1.25)],
  [16_010, { type: 'notice', level: 'warning', message: '3 questions have no wrong candidate.' }],
  [16_020, step(1201, 1.2)],
  [62_000, { type: 'stage-end', stage: 'sft', seconds: 62, path: 'runs/quick/sft', summary: 'loss 0.31', figures: {} }],
  [62_001, { type: 'stage-reused', stage: 'align', variant: 'boundary', path: 'runs/quick/align/boundary', summary: '', figures: {} }],
]

describe('plain progress', () => {
  it('writes whole lines: starts, ends, notices, and in between one every quarter of a minute', () => {
    expect(draw('plain', RUN).split('\n')).toEqual([
      'llama, 364512 parameters on onnx (CPU, 2 threads), in runs/quick',
      'sft                   starting, 2400 to do',
      'sft                   1200/2400 steps  loss 1.25  12.3k tokens/s  ETA 1:05',
      'warning: 3 questions have no wrong candidate.',
      'sft                   done in 1:02  loss 0.31',
      'align boundary        already done  runs/quick/align/boundary',
      '',
    ])
  })

  it('says where an interrupted stage goes on', () => {
    expect(draw('plain', [[0, { type: 'stage-start', stage: 'align', variant: 'ca', path: 'p', total: 400, resumedAt: 150 }]])).toBe(
      'align ca              going on at 150 of 400\n',
    )
  })
})

describe('silent progress', () => {
  it('writes what is said and no event', () => {
    expect(draw('silent', [...RUN, [70_000, 'Stopping.']])).toBe('Stopping.\n')
  })
})

it.each(['live', 'plain', 'silent'] as const)('sends nothing of a data set or model to the terminal as a command (%s)', (mode) => {
  let written = ''
  const output = { columns: 200, write: (text: string) => (written += text) }
  const renderer = createRenderer(mode, output, { env: {} })
  const evil = 'a\u001b]52;c;aGk=\u0007\u202eb\u009b2J'
  renderer.handle({ type: 'notice', level: 'warning', message: evil })
  renderer.handle({ type: 'stage-end', stage: 'align', variant: evil, seconds: 1, path: '/nowhere', summary: evil, figures: {} })
  renderer.handle({ type: 'progress', stage: 'align', variant: evil, done: 1, total: 2, unit: 'steps' })
  renderer.say(evil)
  renderer.close()
  // the list's own: moving up, erasing
  // oxlint-disable-next-line no-control-regex
  const text = written.replaceAll(/\u001b\[(?:\d+A\r?|K|J)|\r/g, '')
  expect(text).toContain('a\\x1b]52;c;aGk=\\x07\\u202eb\\x9b2J')
  expect(text).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u)
})
