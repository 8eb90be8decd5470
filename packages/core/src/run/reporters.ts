import { setTimeout as sleep } from 'node:timers/promises'
import type { ReportedEvent, ReportedRun, Reporter } from '../seams/reporter'
import { without } from '../util/without'
import type { RunEnd, RunEvent } from '../seams/run-events'

/** A reporter, and what it is called. */
export interface NamedReporter {
  readonly name: string
  readonly made: Reporter
}

export interface ReportersOptions {
  /** Told of a reporter that failed. */
  readonly warn: (message: string) => void
  /** What trackers show of the run. */
  readonly settings: Readonly<Record<string, unknown>>
  /** How long all of them together may take after the end, in milliseconds. */
  readonly endMs?: number
  /** How many events may wait for a reporter before its progress is left out. */
  readonly mostWaiting?: number
  readonly now?: () => number
}

const END_MS = 10_000
const MOST_WAITING = 10_000

/** Hands a run's events on to its reporters, and keeps the run from their faults and delays. */
export class Reporters {
  private readonly lanes: readonly Lane[]
  private readonly now: () => number
  /** Before the start is known. */
  private early: { readonly event: ReportedEvent; readonly time: number }[] | undefined = []

  constructor(
    reporters: readonly NamedReporter[],
    private readonly options: ReportersOptions,
  ) {
    this.lanes = reporters.map((reporter) => new Lane(reporter, options.warn, options.mostWaiting ?? MOST_WAITING))
    this.now = options.now ?? Date.now
  }

  take(event: RunEvent): void {
    if (this.lanes.length === 0 || event.type === 'run-end') return
    const time = this.now()
    // One copy for all, which none of them can change: what the run and the display hold is not theirs.
    const told = frozen(structuredClone(event))
    if (told.type === 'run-start') {
      const run: ReportedRun = { ...without(told, 'type'), settings: frozen(structuredClone(this.options.settings)) }
      for (const lane of this.lanes) lane.start(Object.freeze(run))
      for (const { event: before, time: then } of this.early ?? []) for (const lane of this.lanes) lane.event(before, then)
      this.early = undefined
    } else if (this.early !== undefined) this.early.push({ event: told, time })
    else for (const lane of this.lanes) lane.event(told, time)
  }

  /** Tells the end, and waits until it is taken, for a while. Without a start there is no end to tell. */
  async end(end: RunEnd): Promise<void> {
    if (this.lanes.length === 0 || this.early !== undefined) return
    const { endMs = END_MS } = this.options
    const told = frozen(structuredClone(end))
    const time = this.now()
    const done = Promise.all(this.lanes.map((lane) => lane.end(told, time)))
    const timer = new AbortController()
    await Promise.race([done, sleep(endMs, undefined, { signal: timer.signal }).catch(() => undefined)])
    timer.abort()
    for (const lane of this.lanes) lane.giveUp(endMs)
  }
}

/** One reporter: its calls one after the other. */
class Lane {
  private last: Promise<void> = Promise.resolve()
  private waiting = 0
  private leftOut = 0
  private isOff = false
  private isDone = false

  constructor(
    private readonly reporter: NamedReporter,
    private readonly warn: (message: string) => void,
    private readonly mostWaiting: number,
  ) {}

  start(run: ReportedRun): void {
    this.call(() => this.reporter.made.start?.(run))
  }

  event(event: ReportedEvent, time: number): void {
    if (event.type === 'progress' && this.waiting >= this.mostWaiting) this.leftOut++
    else this.call(() => this.reporter.made.event(event, time))
  }

  async end(end: RunEnd, time: number): Promise<void> {
    this.call(() => this.reporter.made.end?.(end, time))
    await this.last
    this.isDone = true
    if (this.leftOut > 0 && !this.isOff) {
      this.warn(`The reporter "${this.reporter.name}" is slower than the run: ${this.leftOut} events of progress were not told to it.`)
    }
  }

  giveUp(milliseconds: number): void {
    if (this.isDone || this.isOff) return
    this.isOff = true
    const seconds = Math.round(milliseconds / 100) / 10
    this.warn(
      `The reporter "${this.reporter.name}" had not finished ${seconds} s after the end of the run; what it had still to do is lost.`,
    )
  }

  private call(work: () => void | Promise<void>): void {
    if (this.isOff) return
    this.waiting++
    this.last = this.last.then(async () => {
      this.waiting--
      if (this.isOff) return
      try {
        await work()
      } catch (error) {
        this.isOff = true
        const { message } = error instanceof Error ? error : { message: String(error) }
        this.warn(`${message.replace(/\.?$/, '.')} It is told nothing more of this run, which goes on without it.`)
      }
    })
  }
}

/** The value itself, which cannot be changed any more. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const inner of Object.values(value)) frozen(inner)
  return Object.freeze(value)
}
