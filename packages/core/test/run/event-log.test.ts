import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import {
  CORE_VERSION,
  followEvents,
  newestLog,
  parseEventLine,
  type Followed,
  type RunEnd,
  type RunEvent,
  type TimedEvent,
} from '../../src'
import { EventLog } from '../../src/run/event-log'
import { ownIdentity } from '../../src/util/process-identity'
import { folderWith } from '../support/files'

const start = (run: string): RunEvent => ({
  type: 'run-start',
  run,
  engine: 'e',
  model: '/home/me/models/llama',
  seed: 1,
  stages: [{ stage: 'sft' }],
})
const began = (run: string): RunEvent => ({ type: 'stage-start', stage: 'sft', path: path.join(run, 'sft-1'), total: 1000 })
const progress = (done: number): RunEvent => ({ type: 'progress', stage: 'sft', done, total: 1000, unit: 'steps' })
const end: RunEnd = { type: 'run-end', outcome: 'done', seconds: 1 }
const notice = (message: string): RunEvent => ({ type: 'notice', level: 'info', message })

const events = (run: string): TimedEvent[] =>
  readFileSync(newestLog(run)?.file ?? '', 'utf8')
    .split('\n')
    .flatMap((line) => parseEventLine(line) ?? [])
const names = (run: string): string[] => readdirSync(path.join(run, 'events'))

function log(now?: () => number) {
  const warnings: string[] = []
  return { log: new EventLog((message) => warnings.push(message), now), warnings }
}

describe('the log of events', () => {
  it('begins with the run, holds what was told before, and no absolute path', async () => {
    const run = folderWith({})
    const { log: made } = log()
    made.take(notice('before'))
    expect(readdirSync(run)).toEqual([])
    made.take(start(run))
    // It may still be refused.
    expect(readdirSync(run)).toEqual([])
    for (const event of [began(run), { ...end, report: { run, control: 'VFT', design: '', rows: [], notices: [], seconds: 1 } }])
      made.take(event)
    await made.close()
    expect(events(run)).toMatchObject([
      { type: 'events', version: 1, plumbline: CORE_VERSION },
      { type: 'notice', message: 'before' },
      { type: 'run-start', run: '.', model: 'llama' },
      { type: 'stage-start', path: 'sft-1' },
      { type: 'run-end', report: { run: '.' } },
    ])
    expect(readFileSync(newestLog(run)?.file ?? '', 'utf8')).not.toContain(run)
    expect(names(run)).toHaveLength(1)
  })

  it('holds progress twice a second, less often in a long stage, and always what stood last', async () => {
    const run = folderWith({})
    let time = 0
    const { log: made } = log(() => time)
    for (const event of [start(run), began(run)]) made.take(event)
    const at = (ms: number, done: number): void => {
      time = ms
      made.take(progress(done))
    }
    at(0, 1)
    at(499, 2)
    at(500, 3)
    at(600, 4)
    made.take(notice('x'))
    // after half an hour every 1.8 seconds
    at(1_800_000, 5)
    at(1_801_700, 6)
    at(1_801_900, 7)
    at(1_801_901, 1000)
    await made.close()
    expect(events(run).flatMap((event) => (event.type === 'progress' ? [event.done] : []))).toEqual([1, 3, 4, 5, 7, 1000])
  })

  it('removes those of processes that have ended, and leaves those of others', async () => {
    const run = folderWith({
      'events/1-ended.jsonl': '',
      'events/2-killed.jsonl': '',
      'events/2-killed.alive': JSON.stringify({ ...ownIdentity(), pid: 2 ** 22 + 1 }),
      'events/3-elsewhere.jsonl': '',
      'events/3-elsewhere.alive': JSON.stringify({ pid: 1, host: 'h', system: 's' }),
      'events/4-here.jsonl': '',
      'events/4-here.alive': JSON.stringify(ownIdentity()),
    })
    const { log: made } = log()
    for (const event of [start(run), began(run)]) made.take(event)
    expect(names(run).filter((name) => /^\d-/.test(name))).toEqual([
      '3-elsewhere.alive',
      '3-elsewhere.jsonl',
      '4-here.alive',
      '4-here.jsonl',
    ])
    await made.close()
  })

  it('is given up with one warning where it cannot be written', async () => {
    const run = folderWith({ events: 'a file' })
    const { log: made, warnings } = log()
    for (const event of [start(run), began(run), end]) made.take(event)
    await made.close()
    expect(warnings).toEqual([expect.stringMatching(/^What this run tells is not kept for "plumb watch": EEXIST/)])
  })
})

describe('following', () => {
  const follow = async (run: string, options = {}): Promise<Followed[]> => {
    const all: Followed[] = []
    for await (const followed of followEvents(newestLog(run)?.file ?? '', { pollMs: 5, ...options })) {
      if (followed.type !== 'caught-up') all.push(followed)
    }
    return all
  }
  const types = (all: readonly Followed[]) => all.map((followed) => (followed.type === 'event' ? followed.event.type : followed.type))

  it('gets what was told and what is being told, up to the end', async () => {
    const run = folderWith({})
    const { log: made } = log()
    for (const event of [start(run), began(run)]) made.take(event)
    const following = follow(run)
    await new Promise((resolve) => setTimeout(resolve, 20))
    made.take(progress(1000))
    await new Promise((resolve) => setTimeout(resolve, 20))
    made.take(end)
    await made.close()
    expect(types(await following)).toEqual(['events', 'run-start', 'stage-start', 'progress', 'run-end'])
  })

  it('takes a line once it is whole, and passes over types of later versions', async () => {
    const line = `{"time":"2026-01-01T00:00:00Z","type":"notice","level":"info","message":"für"}\n`
    const run = folderWith({ 'events/1.jsonl': `{"time":"","type":"energy"}\n[]\n`, 'events/1.alive': JSON.stringify(ownIdentity()) })
    const file = path.join(run, 'events', '1.jsonl')
    const bytes = Buffer.from(line)
    const cut = bytes.indexOf('ü') + 1
    appendFileSync(file, bytes.subarray(0, cut)) // in the middle of a character
    const following = follow(run)
    await new Promise((resolve) => setTimeout(resolve, 20))
    appendFileSync(file, bytes.subarray(cut))
    await new Promise((resolve) => setTimeout(resolve, 20))
    rmSync(path.join(run, 'events', '1.alive'))
    expect(await following).toMatchObject([
      { type: 'event', event: { message: 'für' } },
      { type: 'gone', because: 'ended' },
    ])
  })

  it('says when the process is killed', async () => {
    const run = folderWith({ 'events/1.jsonl': '' })
    const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000); console.log("up")'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    try {
      await once(child.stdout, 'data')
      // as that process would write it
      const stat = readFileSync(`/proc/${child.pid ?? 0}/stat`, 'latin1')
      const began = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
      writeFileSync(path.join(run, 'events', '1.alive'), JSON.stringify({ ...ownIdentity(), pid: child.pid, start: began }))
      const following = follow(run)
      await new Promise((resolve) => setTimeout(resolve, 30))
      child.kill('SIGKILL')
      expect(await following).toEqual([{ type: 'gone', because: 'ended' }])
    } finally {
      child.kill('SIGKILL')
    }
  })

  it('gives up a process that cannot be seen once it gives no sign of life', async () => {
    const elsewhere = JSON.stringify({ pid: 1, host: 'h', system: 's' })
    const run = folderWith({ 'events/1.jsonl': '', 'events/1.alive': elsewhere })
    const following = follow(run, { silenceMs: 100 })
    const beats = setInterval(() => writeFileSync(path.join(run, 'events', '1.alive'), elsewhere), 20)
    const first = await Promise.race([following, new Promise((resolve) => setTimeout(() => resolve('still there'), 250))])
    clearInterval(beats)
    expect(first).toBe('still there')
    expect(await following).toEqual([{ type: 'gone', because: 'silent' }])
  })

  it('ends when it is asked to', async () => {
    const run = folderWith({ 'events/1.jsonl': '', 'events/1.alive': JSON.stringify(ownIdentity()) })
    await expect(follow(run, { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('prefers the newest of those that work to a newer one that has ended', () => {
    const alive = JSON.stringify(ownIdentity())
    const run = folderWith({
      'events/1.jsonl': '',
      'events/1.alive': alive,
      'events/2.jsonl': '',
      'events/2.alive': alive,
      'events/3.jsonl': '',
    })
    expect(newestLog(run)).toEqual({ file: path.join(run, 'events', '2.jsonl'), others: 1 })
    mkdirSync(path.join(run, 'empty'))
    expect(newestLog(path.join(run, 'empty'))).toBeUndefined()
  })
})
