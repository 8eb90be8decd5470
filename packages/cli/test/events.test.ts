import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Ajv from 'ajv'
import { EVENT_TYPES, type RunReport, type TimedEvent } from '@plumbline/core'
import { plumb, TINY_CONFIG, tinyProject } from './cli'

const docs = join(__dirname, '..', '..', '..', 'docs')
const schema = JSON.parse(readFileSync(join(docs, 'events.schema.json'), 'utf8')) as {
  readonly oneOf: readonly { readonly $ref: string }[]
}
const validate = new Ajv({ allErrors: true }).compile(schema)

const eventsOf = (text: string): TimedEvent[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as TimedEvent)
const documented = schema.oneOf.map(({ $ref }) => $ref.replace('#/definitions/', ''))
const types = (events: readonly TimedEvent[]): string[] => [...new Set(events.map(({ type }) => type))].sort()

function wrongLines(events: readonly TimedEvent[]): unknown[] {
  return events.filter((event) => validate(event) !== true).map((event) => [event, validate.errors])
}

// one record is left out, and said
const config = TINY_CONFIG.replace(
  'test: { path: test.jsonl, format: gsm8k }',
  'test: { path: test.jsonl, format: gsm8k, onInvalid: skip }',
)

it('writes every event to a file, beside the progress; what is documented is what comes', async () => {
  const cwd = tinyProject(config)
  appendFileSync(join(cwd, 'test.jsonl'), '{"question":"What?"}\n')
  const first = await plumb(['run', '--events', 'ndjson:told.jsonl'], { cwd })
  expect(first).toMatchObject({ code: 0, stderr: expect.stringMatching(/^sft +done in/m) as string })
  expect(first.stdout).toMatch(/^Greedy answers/)
  const again = await plumb(['run', '--events', 'ndjson:told.jsonl'], { cwd })
  expect(again.code).toBe(0)

  const events = eventsOf(readFileSync(join(cwd, 'told.jsonl'), 'utf8'))
  expect(wrongLines(events)).toEqual([])
  expect(types(events)).toEqual([...documented].sort())
  expect([...documented].sort()).toEqual(Object.keys(EVENT_TYPES).sort())
  const page = readFileSync(join(docs, 'events.md'), 'utf8')
  expect([...page.matchAll(/^### `([^`]+)`$/gm)].map(([, type]) => type)).toEqual(documented)
  // two processes, each from its header to its end
  expect(events.flatMap(({ type }, n) => (type === 'events' || type === 'run-end' ? [[type, n]] : [])).map(([type]) => type)).toEqual([
    'events',
    'run-end',
    'events',
    'run-end',
  ])
  const steps = events.flatMap((event) => (event.type === 'progress' && event.stage === 'sft' ? [event.metrics?.step] : []))
  expect(steps).toEqual([1, 2, 3])
  expect(events.filter(({ type }) => type === 'stage-reused')).toHaveLength(9)
})

it('writes them to stderr in the place of the progress, and the report alone to stdout', async () => {
  const { code, stdout, stderr } = await plumb(['run', '--json', '--events', 'ndjson'], { cwd: tinyProject() })
  expect(code).toBe(0)
  const events = eventsOf(stderr)
  expect(wrongLines(events)).toEqual([])
  const last = events.at(-1)
  const report = JSON.parse(stdout) as RunReport
  expect(last).toMatchObject({ type: 'run-end', outcome: 'done' })
  expect(last?.type === 'run-end' && last.report).toEqual(report)
})

it('tells an interruption and an error as the last event', async () => {
  const slow = TINY_CONFIG.replace('sft: { steps: 3', 'sft: { steps: 6')
  const stopped = await plumb(['sft', '--events', 'ndjson'], {
    cwd: tinyProject(slow),
    env: { FAKE_STEP_MS: '300' },
    started: (child) => {
      let text = ''
      const listen = (chunk: Buffer): void => {
        text += chunk.toString()
        if (!text.includes('"type":"progress"')) return
        child.stderr?.off('data', listen)
        child.kill('SIGINT')
      }
      child.stderr?.on('data', listen)
    },
  })
  expect([stopped.code, stopped.stdout]).toEqual([130, ''])
  const events = eventsOf(stopped.stderr)
  expect(wrongLines(events)).toEqual([])
  expect(events).toContainEqual(expect.objectContaining({ type: 'notice', message: expect.stringMatching(/^Stopping after/) as string }))
  expect(events.at(-1)).toMatchObject({ type: 'run-end', outcome: 'interrupted', error: { code: 'PLUMB_INTERRUPTED' } })

  const refused = await plumb(['run', '--events', 'ndjson', '--set', 'seed=x'], { cwd: tinyProject() })
  expect(refused.code).toBe(2)
  expect(eventsOf(refused.stderr)).toMatchObject([
    { type: 'events' },
    { type: 'run-end', outcome: 'failed', error: { code: 'PLUMB_CONFIG_INVALID' } },
  ])
})

it.each([
  ['xml', /^PLUMB_EVENTS_FORMAT {2}--events {2}"xml" is no way to write events; --events takes ndjson \(.*\) or ndjson:FILE\.\n$/],
  ['ndjson:', /^PLUMB_EVENTS_FORMAT /],
  ['ndjson:missing/told.jsonl', /^PLUMB_SYSTEM {2}missing\/told\.jsonl {2}There is no such file or folder/],
])('refuses --events %s before anything is computed', async (value, sentence) => {
  const cwd = tinyProject()
  const { code, stdout, stderr } = await plumb(['run', '--events', value], { cwd })
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(sentence)
  expect(existsSync(join(cwd, 'run'))).toBe(false)
})

it('leaves in the run folder what was told, without the place where it lies, and no sign of life', async () => {
  const cwd = tinyProject()
  await plumb(['run', '--quiet'], { cwd })
  const names = readdirSync(join(cwd, 'run', 'events'))
  expect(names).toEqual([expect.stringMatching(/^\d{8}T\d{6}Z-[0-9a-f]{8}\.jsonl$/)])
  const text = readFileSync(join(cwd, 'run', 'events', names[0] ?? ''), 'utf8')
  expect(text).not.toContain(cwd)
  expect(wrongLines(eventsOf(text))).toEqual([])
  await plumb(['run', '--quiet'], { cwd })
  expect(readdirSync(join(cwd, 'run', 'events'))).toHaveLength(1)
})

it('goes on where what it tells cannot be kept', async () => {
  const cwd = tinyProject()
  await plumb(['sft', '--quiet'], { cwd })
  rmSync(join(cwd, 'run', 'events'), { recursive: true })
  writeFileSync(join(cwd, 'run', 'events'), '')
  const { code, stderr } = await plumb(['run'], { cwd })
  expect(code).toBe(0)
  expect(stderr).toMatch(/^warning: What this run tells is not kept for "plumb watch": EEXIST/m)
})
