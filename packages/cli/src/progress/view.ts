import type { RunEnd, RunEvent, StagePlace, StageProgress, StageReused, StageStart } from '@plumbline/core'
import { pastMetrics } from './past'
import { Series } from './series'

/** A stage as the list shows it. */
export interface StageView extends StagePlace {
  state: 'waiting' | 'working' | 'done' | 'reused' | 'stopped'
  /** Milliseconds since 1970. */
  startedAt?: number
  done: number
  total: number
  resumedAt: number
  unit: string
  progress?: StageProgress
  /** When the progress was told. */
  toldAt?: number
  seconds?: number
  summary: string
  readonly loss: Series
  /** Assessment accuracy in training, where the stage measures it. */
  readonly assessment: Series
}

/** Time left, of which parts may be unknown. */
export interface TimeLeft {
  readonly seconds: number
  /** Of some stages nothing is known yet. */
  readonly isAtLeast: boolean
}

/** What is known of a run from what it told. */
export class RunView {
  readonly stages: StageView[] = []
  startedAt: number | undefined
  end: RunEnd | undefined

  take(event: RunEvent, time: number): void {
    this.startedAt ??= time
    switch (event.type) {
      case 'run-start':
        this.stages.push(...event.stages.filter((place) => this.find(place) === undefined).map(waiting))
        return
      case 'stage-start': {
        const { total, resumedAt = 0 } = event
        Object.assign(this.at(event), { state: 'working', startedAt: time, total, resumedAt, done: resumedAt })
        this.recall(event)
        return
      }
      case 'progress':
        this.progress(this.at(event), event, time)
        return
      case 'stage-end':
        Object.assign(this.at(event), { state: 'done', seconds: event.seconds, summary: event.summary })
        return
      case 'stage-reused':
        Object.assign(this.at(event), { state: 'reused', summary: event.summary })
        this.recall(event)
        return
      case 'run-end':
        this.stop()
        this.end = event
        return
      case 'data':
      case 'notice':
        return
    }
  }

  /** What was at work is at work no more. */
  stop(): void {
    for (const stage of this.stages) if (stage.state === 'working') stage.state = 'stopped'
  }

  /** Stages that need nothing more, with the share of the one at work. */
  get finished(): number {
    return this.stages.reduce((sum, stage) => sum + shareOf(stage), 0)
  }

  /** At the pace of this run; undefined where nothing is known. */
  timeLeft(now: number): TimeLeft | undefined {
    const known = new Map<string, number[]>()
    for (const stage of this.stages) {
      const seconds = wholeTime(stage, now)
      if (seconds !== undefined) known.set(kindOf(stage), [...(known.get(kindOf(stage)) ?? []), seconds])
    }
    let seconds = 0
    let isAtLeast = false
    let isKnown = false
    for (const stage of this.stages) {
      if (stage.state !== 'working' && stage.state !== 'waiting') continue
      const left = stage.state === 'working' ? leftOf(stage, now) : mean(known.get(kindOf(stage)))
      if (left === undefined) isAtLeast = true
      else {
        isKnown = true
        seconds += left
      }
    }
    return isKnown ? { seconds, isAtLeast } : undefined
  }

  private progress(stage: StageView, event: StageProgress, time: number): void {
    const { done, total, unit, metrics } = event
    stage.startedAt ??= time
    Object.assign(stage, { state: 'working', done, total, unit, progress: event, toldAt: time })
    if (metrics !== undefined) draw(stage, metrics)
  }

  /** The course of what was done before. */
  private recall(event: StageStart | StageReused): void {
    const stage = this.at(event)
    for (const figures of pastMetrics(event)) draw(stage, figures)
  }

  private find({ stage, variant }: StagePlace): StageView | undefined {
    return this.stages.find((each) => each.stage === stage && each.variant === variant)
  }

  /** The stage in the list; one that was not planned stands before those that are still to come. */
  private at({ stage, variant }: StagePlace): StageView {
    const found = this.find({ stage, variant })
    if (found) return found
    const made = waiting({ stage, variant })
    const next = this.stages.findIndex(({ state }) => state === 'waiting')
    this.stages.splice(next < 0 ? this.stages.length : next, 0, made)
    return made
  }
}

function draw({ loss, assessment }: StageView, figures: Readonly<Record<string, unknown>>): void {
  if (typeof figures.loss === 'number') loss.add(figures.loss)
  if (typeof figures.assessment === 'number') assessment.add(figures.assessment)
}

function waiting({ stage, variant }: StagePlace): StageView {
  const figures = { loss: new Series(), assessment: new Series() }
  return {
    stage,
    ...(variant === undefined ? {} : { variant }),
    state: 'waiting',
    done: 0,
    total: 0,
    resumedAt: 0,
    unit: '',
    summary: '',
    ...figures,
  }
}

function shareOf({ state, done, total }: StageView): number {
  if (state === 'done' || state === 'reused') return 1
  return state === 'working' && total > 0 ? done / total : 0
}

/** Seconds that the stage at work still takes. */
export function leftOf({ progress, toldAt }: StageView, now: number): number | undefined {
  if (progress?.eta === undefined || toldAt === undefined) return undefined
  return Math.max(0, progress.eta - (now - toldAt) / 1000)
}

/** What a stage takes from its beginning to its end, at the pace of this run. */
function wholeTime(stage: StageView, now: number): number | undefined {
  const { state, seconds, startedAt, resumedAt, total } = stage
  const left = state === 'working' ? leftOf(stage, now) : undefined
  const taken = state === 'done' ? seconds : left !== undefined && startedAt !== undefined ? (now - startedAt) / 1000 + left : undefined
  if (taken === undefined) return undefined
  return resumedAt > 0 && resumedAt < total ? (taken * total) / (total - resumedAt) : taken
}

/** Stages of one kind take about as long as each other. */
function kindOf({ stage, variant = '' }: StagePlace): string {
  const [name = ''] = variant.split('@')
  const isPreparation = (stage === 'align' && ['reference', 'mismatched'].includes(name)) || (stage === 'evaluate' && name === 'candidates')
  return isPreparation ? `${stage} ${name}` : stage
}

function mean(values: readonly number[] | undefined): number | undefined {
  return values === undefined ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length
}
