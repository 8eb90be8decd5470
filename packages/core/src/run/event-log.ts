import { randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { ownIdentity } from '../util/process-identity'
import { eventLine, headerLine } from './event-lines'
import type { RunEvent } from '../seams/run-events'
import { aliveFile, EVENTS_FOLDER, removeEndedLogs } from './followed-logs'
import { startHeartbeat } from './heartbeat'

const BEAT_MS = 2_000

/** Progress of a stage is written this often at most, and less often in a stage that takes long: a file of events stays small. */
const LEAST_MS = 500
const MOST_MS = 10_000
const SHARE = 1 / 1000

/**
 * What one process tells of a run, in the run folder for others to follow: `events/<start>-<id>.jsonl`. Beside it lies, while the process lives,
 * `<start>-<id>.alive`, which names the process and is touched every two seconds.
 *
 * Nothing is written before the first stage, so that a run which is refused leaves nothing. A log that cannot be written is given up with
 * one warning: it is for people who look on.
 */
export class EventLog {
  private waiting: string[] = [headerLine(Date.now())]
  private descriptor: number | undefined
  private stop: (() => Promise<void>) | undefined
  private folder = ''
  private file = ''
  private isOff = false
  private stageBegan = 0
  private written = 0
  private held: string | undefined

  constructor(
    private readonly warn: (message: string) => void,
    private readonly now: () => number = Date.now,
  ) {}

  take(event: RunEvent): void {
    if (this.isOff) return
    try {
      const time = this.now()
      if (event.type === 'run-start') this.folder = event.run
      const isOfStage = event.type === 'stage-start' || event.type === 'stage-reused'
      if (isOfStage && this.descriptor === undefined) this.open()
      const line = eventLine(withoutPaths(event, this.folder), time)
      if (this.descriptor === undefined) this.waiting.push(line)
      else if (event.type === 'progress' && event.done < event.total) this.progress(line, time)
      else {
        if (event.type === 'stage-start') this.stageBegan = time
        this.write([this.held ?? '', line].join(''))
        this.held = undefined
        this.written = event.type === 'progress' ? time : -Infinity
      }
    } catch (error) {
      this.isOff = true
      this.warn(`What this run tells is not kept for "plumb watch": ${(error as Error).message}.`)
    }
  }

  /** The process has nothing more to tell. */
  async close(): Promise<void> {
    await this.stop?.()
    if (this.descriptor !== undefined) closeSync(this.descriptor)
    this.descriptor = undefined
    if (this.file !== '') await rm(aliveFile(this.file), { force: true })
  }

  private progress(line: string, time: number): void {
    const every = Math.min(MOST_MS, Math.max(LEAST_MS, SHARE * (time - this.stageBegan)))
    if (time - this.written < every) {
      this.held = line // what stands last before something else happens is worth a line
      return
    }
    this.held = undefined
    this.written = time
    this.write(line)
  }

  private open(): void {
    const folder = path.join(this.folder, EVENTS_FOLDER)
    mkdirSync(folder, { recursive: true })
    removeEndedLogs(this.folder)
    const start = new Date(this.now()).toISOString().replace(/[-:]|\.\d+/g, '')
    this.file = path.join(folder, `${start}-${randomBytes(4).toString('hex')}.jsonl`)
    // Before the log itself: who finds a log without it knows that its process has ended.
    writeFileSync(aliveFile(this.file), `${JSON.stringify(ownIdentity())}\n`)
    this.descriptor = openSync(this.file, 'a')
    this.write(this.waiting.join(''))
    this.waiting = []
    this.stop = startHeartbeat(aliveFile(this.file), BEAT_MS, () => undefined)
  }

  private write(text: string): void {
    if (this.descriptor !== undefined) writeSync(this.descriptor, text)
  }
}

/** Places inside the run folder as they are there, and of what lies elsewhere the name alone: run folders are given to others. */
function withoutPaths(event: RunEvent, run: string): RunEvent {
  const inside = (place: string): string => path.relative(run, place) || '.'
  switch (event.type) {
    case 'run-start':
      return { ...event, run: '.', model: path.isAbsolute(event.model) ? path.basename(event.model) : event.model }
    case 'stage-start':
    case 'stage-reused':
    case 'stage-end':
      return { ...event, path: inside(event.path) }
    case 'run-end':
      return event.report === undefined ? event : { ...event, report: { ...event.report, run: '.' } }
    case 'data':
    case 'progress':
    case 'notice':
      return event
  }
}
