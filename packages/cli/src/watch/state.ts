import type { RunEvent } from '@plumbline/core'
import { stageLabel } from '../progress/lines'
import { leftOf, RunView, type StageView } from '../progress/view'
import type { WatchRenderer } from './session'

/** What the page shows; the same as the list in the terminal. */
export interface PageState {
  readonly title: string
  readonly engine: string
  /** Milliseconds since 1970. */
  readonly startedAt?: number
  readonly finished: number
  /** Seconds. */
  readonly left?: number
  readonly isAtLeast?: boolean
  readonly stages: readonly PageStage[]
  readonly notices: readonly string[]
  readonly outcome?: 'done' | 'interrupted' | 'failed' | 'gone'
}

interface PageStage {
  readonly name: string
  readonly state: StageView['state']
  readonly done: number
  readonly total: number
  readonly unit: string
  readonly summary: string
  readonly seconds?: number
  readonly left?: number
  readonly tokensPerSecond?: number
  readonly curves: readonly { readonly name: string; readonly last: number; readonly points: readonly number[] }[]
}

const MOST_NOTICES = 50
const POINTS = 60

/** Keeps what a run has told, for a page that may be opened at any time. */
export class PageRenderer implements WatchRenderer {
  private readonly view = new RunView()
  private readonly notices: string[] = []
  private title = ''
  private engine = ''
  private isGone = false

  constructor(
    private readonly changed: () => void,
    private readonly now: () => number = Date.now,
  ) {}

  handle(event: RunEvent, time = this.now()): void {
    this.view.take(event, time)
    if (event.type === 'run-start') [this.title, this.engine] = [event.model, event.engine]
    if (event.type === 'notice') this.note(event.level === 'warning' ? `warning: ${event.message}` : event.message)
    this.changed()
  }

  say(message: string): void {
    this.note(message)
    this.changed()
  }

  close(): void {
    // Who looks is told by the end, or by nothing more that comes.
  }

  /** Nothing comes any more, and there was no end. */
  gone(): void {
    this.view.stop()
    this.isGone = true
    this.changed()
  }

  state(): PageState {
    const { view } = this
    const now = this.now()
    const left = view.timeLeft(now)
    const outcome = view.end?.outcome ?? (this.isGone ? 'gone' : undefined)
    return {
      title: this.title,
      engine: this.engine,
      ...(view.startedAt === undefined ? {} : { startedAt: view.startedAt }),
      finished: view.finished,
      ...(left === undefined ? {} : { left: left.seconds, isAtLeast: left.isAtLeast }),
      stages: view.stages.map((stage) => pageStage(stage, now)),
      notices: this.notices,
      ...(outcome === undefined ? {} : { outcome }),
    }
  }

  private note(message: string): void {
    this.notices.push(message)
    if (this.notices.length > MOST_NOTICES) this.notices.shift()
  }
}

function pageStage(stage: StageView, now: number): PageStage {
  const { state, done, total, unit, summary, seconds, progress, loss, assessment } = stage
  const left = state === 'working' ? leftOf(stage, now) : undefined
  const curves = [
    { name: 'loss', series: loss },
    { name: 'assessment', series: assessment },
  ].flatMap(({ name, series }) => (series.last === undefined ? [] : [{ name, last: series.last, points: series.points(POINTS) }]))
  return {
    name: stageLabel(stage),
    state,
    done,
    total,
    unit,
    summary,
    ...(seconds === undefined ? {} : { seconds }),
    ...(left === undefined ? {} : { left }),
    ...(state !== 'working' || progress?.tokensPerSecond === undefined ? {} : { tokensPerSecond: progress.tokensPerSecond }),
    curves,
  }
}
