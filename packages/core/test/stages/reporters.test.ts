import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import {
  definePlugin,
  runConfig,
  type Plugin,
  type ReportedEvent,
  type ReportedRun,
  type Reporter,
  type RunEnd,
  type RunEvent,
} from '../../src'
import { failure } from '../support/files'
import { filesBelow, world } from '../support/world'

interface Told {
  readonly runs: ReportedRun[]
  readonly events: ReportedEvent[]
  readonly ends: RunEnd[]
}

function witness(): Told & { readonly plugin: Plugin } {
  const told: Told = { runs: [], events: [], ends: [] }
  const options = z.strictObject({
    fails: z.enum(['never', 'start', 'event', 'end', 'create']).default('never'),
    key: z.string().optional(),
  })
  const plugin = definePlugin({
    name: 'telling',
    apiVersion: 1,
    version: '1.0.0',
    register: (registry) => {
      registry.reporter('witness', {
        options,
        create: ({ fails }): Reporter => {
          const maybe = (when: string): void => {
            if (fails === when) throw new Error(`boom at ${when}`)
          }
          maybe('create')
          return {
            start: (run) => {
              maybe('start')
              told.runs.push(run)
            },
            event: (event) => {
              maybe('event')
              told.events.push(event)
            },
            end: (end) => {
              maybe('end')
              told.ends.push(end)
            },
          }
        },
      })
      registry.reporter('no-reporter', { options: z.strictObject({}), create: () => ({}) as Reporter })
    },
  })
  return { ...told, plugin }
}

const training = { batchSize: 4, learningRate: 0.05, checkpointEvery: 5 }
const small = {
  sft: { ...training, steps: 8 },
  align: ['boundary', 'control'].map((name) => ({
    ...training,
    name,
    steps: 2,
    losses: ['sft', ...(name === 'control' ? [] : ['contrast'])],
  })),
}
const reporting = (plugin: Plugin, ...reporters: unknown[]) => world({ plugins: [plugin], config: { ...small, reporters } })

it('tells a run’s settings, its stages, every event and the closing table', async () => {
  const { plugin, runs, events, ends } = witness()
  const made = await reporting(plugin, 'witness')
  const seen: RunEvent[] = []
  const report = await runConfig({ ...made, onEvent: (event) => seen.push(event) })

  expect(runs).toHaveLength(1)
  expect(runs[0]).toMatchObject({
    run: made.config.run,
    seed: 0,
    stages: [
      { stage: 'sft' },
      { stage: 'sample' },
      { stage: 'label' },
      ...['boundary', 'control'].map((variant) => ({ stage: 'align', variant })),
      ...['candidates', 'VFT', 'boundary', 'control'].map((variant) => ({ stage: 'evaluate', variant })),
    ],
    settings: {
      seed: 0,
      sft: { steps: 8, batchSize: 4 },
      align: [
        {
          name: 'boundary',
          losses: [
            { name: 'sft', weight: 1 },
            { name: 'contrast', weight: 1 },
          ],
        },
        {},
      ],
    },
  })
  expect(events).toEqual(seen.filter(({ type }) => type !== 'run-start' && type !== 'run-end'))
  expect(events.flatMap((event) => (event.type === 'progress' && event.stage === 'sft' ? [event.metrics?.step] : []))).toEqual(
    Array.from({ length: 8 }, (_, n) => n + 1),
  )
  const ended = events.flatMap((event) => (event.type === 'stage-end' && event.variant === 'VFT' ? [event] : []))
  expect(ended).toMatchObject([{ figures: { questions: 8 }, path: expect.stringContaining('evaluate-VFT-') as string }])
  expect(ends).toEqual([{ type: 'run-end', outcome: 'done', seconds: expect.any(Number) as number, report }])
  expect(seen.at(-1)).toEqual(ends[0])

  // and of what is reused
  await runConfig(made)
  const reused = events.flatMap((event) => (event.type === 'stage-reused' && event.stage === 'sft' ? [event] : []))
  expect(reused).toMatchObject([{ summary: expect.stringContaining('8 steps of 4') as string, figures: { steps: 8 } }])
})

it('changes nothing that is computed, however many there are and whatever becomes of them', async () => {
  const { plugin } = witness()
  const plain = await world({ plugins: [plugin], config: small })
  await runConfig(plain)
  const files = await filesBelow(plain.config.run)
  for (const fails of ['start', 'event', 'end']) {
    const made = await reporting(plugin, 'witness', { name: 'witness', fails })
    const warnings: string[] = []
    const report = await runConfig({
      ...made,
      onEvent: (event) => event.type === 'notice' && event.level === 'warning' && warnings.push(event.message),
    })
    const told = `The reporter "witness" of plugin "telling 1.0.0" failed: boom at ${fails}. It is told nothing more of this run, which goes on without it.`
    expect(warnings).toContain(told)
    expect(report.notices.at(-1)).toBe(told)
    expect(warnings.filter((message) => message.includes('boom'))).toHaveLength(1)
    expect(await filesBelow(made.config.run)).toEqual(files)
  }
  // the same run folder with another reporter: nothing is done again
  const done: string[] = []
  const config = { ...plain.config, reporters: [{ name: 'witness', key: 'another' }] }
  await runConfig({ ...plain, config, onEvent: (event) => event.type === 'stage-end' && done.push(event.stage) })
  expect(done).toEqual([])
})

it.each([
  [['witnes'], 'PLUMB_UNKNOWN_REPORTER', 'There is no reporter "witnes". Did you mean "witness"?'],
  [
    [{ name: 'witness', fail: 1 }],
    'PLUMB_CONFIG_UNKNOWN_KEY',
    'reporters.0.fail is not an option of reporter "witness". Did you mean "fails"?',
  ],
  [
    ['no-reporter'],
    'PLUMB_PLUGIN_INVALID',
    'The reporter "no-reporter" of plugin "telling 1.0.0" has no event(); docs/plugins.md shows one.',
  ],
  [
    [{ name: 'witness', fails: 'create' }],
    'PLUMB_PLUGIN_FAILED',
    'The reporter "witness" of plugin "telling 1.0.0" failed: boom at create.',
  ],
] as const)('refuses %j before anything is computed', async (reporters, code, message) => {
  const made = await reporting(witness().plugin, ...reporters)
  expect(await failure(() => runConfig(made))).toMatchObject({ code, message })
  await expect(readdir(made.config.run)).rejects.toMatchObject({ code: 'ENOENT' })
})

it('tells how a run that is interrupted or fails has ended, and where it goes on', async () => {
  const { plugin, events, ends } = witness()
  const made = await reporting(plugin, 'witness')
  const controller = new AbortController()
  const seen: RunEvent[] = []
  const stop = (event: RunEvent): void => {
    seen.push(event)
    if (event.type === 'progress' && event.done === 3) controller.abort()
  }
  await expect(runConfig({ ...made, signal: controller.signal, onEvent: stop })).rejects.toMatchObject({ code: 'PLUMB_INTERRUPTED' })
  expect(ends).toEqual([
    {
      type: 'run-end',
      outcome: 'interrupted',
      seconds: expect.any(Number) as number,
      error: {
        code: 'PLUMB_INTERRUPTED',
        message: 'Stopped in sft after step 3 of 8; what is done is kept. The same command goes on from there.',
      },
    },
  ])
  expect(seen.at(-1)).toEqual(ends[0])

  events.length = 0
  await runConfig({ ...made, last: 'sft' })
  const sft = (await readdir(made.config.run)).find((name) => name.startsWith('sft-')) ?? ''
  expect(events.find(({ type }) => type === 'stage-start')).toEqual({
    type: 'stage-start',
    stage: 'sft',
    path: path.join(made.config.run, sft),
    resumedAt: 3,
    total: 8,
  })

  const refused: RunEvent[] = []
  await failure(() => runConfig({ ...made, overrides: ['sft.steps=-1'], onEvent: (event) => refused.push(event) }))
  expect(refused).toMatchObject([{ type: 'run-end', outcome: 'failed', error: { code: 'PLUMB_CONFIG_INVALID' } }])
  expect(ends).toHaveLength(2)
})

it('shows reporters no secret and no path', async () => {
  const { runs, plugin } = witness()
  const made = await world({
    plugins: [plugin, judge],
    config: { reporters: ['witness'], label: { name: 'judge', token: 'sk-secret' }, align: [{ steps: 1, losses: ['sft'] }], evaluate: {} },
  })
  await runConfig({ ...made, last: 'sft' })
  expect(runs[0]?.settings.label).toEqual({ name: 'judge', options: { token: '(secret)' } })
  expect(JSON.stringify(runs[0]?.settings)).not.toContain(made.folder)
})

const judge = definePlugin({
  name: 'judge',
  apiVersion: 1,
  register: (registry) =>
    registry.labeler('judge', {
      options: z.strictObject({ token: z.string().meta({ secret: true }) }),
      create: () => ({
        name: 'judge',
        feedback: 'binary',
        label: async (_, candidates) => candidates.map(() => ({ status: 'wrong', positive: false })),
      }),
    }),
})
