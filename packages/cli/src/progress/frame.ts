import { printable } from '@plumbline/core/base'
import { formatCount, formatDuration, formatMetric } from './format'
import { stageLabel } from './lines'
import { sparkline } from './series'
import type { Paint, Signs } from './terminal'
import { leftOf, type RunView, type StageView } from './view'
import { cut, padded, widthOf } from './width'

/** What a frame is drawn with, and how large it may be. */
export interface Canvas {
  readonly paint: Paint
  readonly signs: Signs
  /** Columns that a line may take. */
  readonly width: number
  /** Lines that there may be. */
  readonly height: number
}

/** A line, and the columns that it takes: colours take none. */
export interface Line {
  readonly text: string
  readonly width: number
}

/** The list of stages, and below it how far all of it is; every line fits. */
export function frame(view: RunView, now: number, canvas: Canvas): Line[] {
  if (view.stages.length === 0) return []
  const overall = view.end === undefined ? [overallLine(view, now, canvas)] : []
  const labels = view.stages.map((stage) => printable(stageLabel(stage)))
  const label = Math.min(Math.max(...labels.map(widthOf)), Math.max(8, Math.floor(canvas.width / 3)))
  return [...shown(view.stages, canvas, label, now, Math.max(1, canvas.height - overall.length)), ...overall]
}

/** As many stages as there is room for, around the one at work. */
function shown(stages: readonly StageView[], canvas: Canvas, label: number, now: number, room: number): Line[] {
  const line = (stage: StageView): Line => stageLine(stage, canvas, label, now)
  if (stages.length <= room) return stages.map(line)
  const { signs, paint } = canvas
  const current = stages.findIndex(({ state }) => state === 'working' || state === 'stopped')
  const at =
    current >= 0
      ? current
      : Math.max(
          0,
          stages.findIndex(({ state }) => state === 'waiting'),
        )
  // One line each for what stands before and behind.
  const inner = Math.max(1, room - 2)
  const from = Math.max(0, Math.min(at - Math.floor(inner / 3), stages.length - inner))
  const window = stages.slice(from, from + inner)
  const [before, behind] = [from, stages.length - from - window.length]
  const more = (count: number, sign: string, what: string): Line[] =>
    count === 0 || room < 3 ? [] : [plainLine(`${sign} ${count} ${what}`, canvas.width, paint.faint)]
  return [...more(before, signs.done, 'before'), ...window.map(line), ...more(behind, signs.waiting, 'more')]
}

interface Part {
  readonly text: string
  /** What is more important is kept where the line is narrow; 1 is the most. */
  readonly rank: number
  readonly paint?: (text: string) => string
}

function stageLine(stage: StageView, canvas: Canvas, label: number, now: number): Line {
  const { paint, signs } = canvas
  const name = cut(printable(stageLabel(stage)), label)
  switch (stage.state) {
    case 'waiting':
      return joined([{ text: `${signs.waiting} ${name}`, rank: 0, paint: paint.faint }], canvas.width)
    case 'working':
      return joined([head(signs.working, name, label, paint.active), ...workingParts(stage, canvas, now)], canvas.width)
    case 'stopped': {
      const at = stage.total > 0 ? `stopped at ${stage.done} of ${stage.total} ${stage.unit}`.trimEnd() : 'stopped'
      return joined([head(signs.stopped, name, label, paint.bad), { text: at, rank: 1 }], canvas.width)
    }
    case 'done':
    case 'reused': {
      const time = stage.state === 'reused' ? 'already done' : formatDuration(stage.seconds ?? 0)
      const parts: Part[] = [
        head(signs.done, name, label, paint.good),
        { text: time.padStart(stage.state === 'reused' ? 0 : TIME_WIDTH), rank: 1, paint: paint.faint },
        ...sparks(stage, canvas),
      ]
      // What is left of the line is the summary's.
      const room = canvas.width - joined(parts, canvas.width).width - GAP.length
      const summary = cut(oneLine(stage.summary), room)
      if (room >= SHORTEST_SUMMARY && summary !== '') parts.splice(2, 0, { text: summary, rank: 2 })
      return joined(parts, canvas.width)
    }
  }
}

const GAP = '  '
const TIME_WIDTH = 7
const SHORTEST_SUMMARY = 12

function head(sign: string, name: string, width: number, paint: (text: string) => string): Part {
  return { text: `${sign} ${padded(name, width)}`, rank: 0, paint: (text) => paint(text.slice(0, sign.length)) + text.slice(sign.length) }
}

function workingParts(stage: StageView, { paint, signs, width }: Canvas, now: number): Part[] {
  const { done, total, unit, progress, loss, assessment } = stage
  if (total === 0) return [{ text: 'starting', rank: 1 }]
  const parts: Part[] = [
    { text: bar(done / total, barWidth(width), signs), rank: 3, paint: paint.active },
    { text: `${String(done).padStart(String(total).length)}/${total}${unit === '' || width < 50 ? '' : ` ${unit}`}`, rank: 1 },
  ]
  if (loss.last !== undefined) {
    parts.push(
      { text: `loss ${formatMetric(loss.last)}`, rank: 4 },
      { text: spark(loss.points(sparkWidth(width)), signs), rank: 6, paint: paint.warn },
    )
  } else {
    const [name, value] = Object.entries(progress?.metrics ?? {})[0] ?? []
    if (name !== undefined && value !== undefined) parts.push({ text: `${printable(name)} ${formatMetric(value)}`, rank: 4 })
  }
  if (assessment.last !== undefined) {
    const course = spark(assessment.points(sparkWidth(width)), signs)
    parts.push({ text: `assessment ${formatMetric(assessment.last)}`, rank: 5 }, { text: course, rank: 7, paint: paint.good })
  }
  if (progress?.tokensPerSecond !== undefined)
    parts.push({ text: `${formatCount(progress.tokensPerSecond)} tokens/s`, rank: 8, paint: paint.faint })
  const left = leftOf(stage, now)
  if (left !== undefined && done < total) parts.push({ text: `${formatDuration(left)} left`, rank: 2 })
  return parts.filter(({ text }) => text !== '')
}

/** The courses of a stage that is done. */
function sparks({ loss, assessment }: StageView, { paint, signs, width }: Canvas): Part[] {
  const of = (name: string, points: readonly number[], colour: (text: string) => string, rank: number): Part[] => {
    const course = spark(points, signs)
    return course === ''
      ? []
      : [{ text: `${name} ${course}`, rank, paint: (text) => text.slice(0, name.length) + colour(text.slice(name.length)) }]
  }
  if (width < 60) return []
  return [
    ...of('loss', loss.points(sparkWidth(width)), paint.warn, 3),
    ...of('assessment', assessment.points(sparkWidth(width)), paint.good, 4),
  ]
}

function overallLine(view: RunView, now: number, { paint, signs, width }: Canvas): Line {
  const { finished, stages, startedAt = now } = view
  const number = Math.min(stages.length, Math.floor(finished) + 1)
  const left = view.timeLeft(now)
  return joined(
    [
      { text: `  stage ${number} of ${stages.length}`, rank: 0 },
      { text: bar(finished / stages.length, barWidth(width), signs), rank: 3, paint: paint.active },
      { text: `${Math.floor((100 * finished) / stages.length)} %`, rank: 1 },
      { text: `${formatDuration((now - startedAt) / 1000)} so far`, rank: 4, paint: paint.faint },
      ...(left === undefined ? [] : [{ text: `${left.isAtLeast ? 'more than' : 'about'} ${formatDuration(left.seconds)} left`, rank: 2 }]),
    ],
    width,
  )
}

export function bar(share: number, width: number, { full, empty }: Signs): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  return full.repeat(filled) + empty.repeat(width - filled)
}

const spark = (points: readonly number[], { spark: signs }: Signs): string => sparkline(points, signs)
const barWidth = (width: number): number => (width >= 110 ? 20 : width >= 75 ? 12 : 8)
const sparkWidth = (width: number): number => (width >= 110 ? 16 : 8)

/** The parts that fit, the most important ones first, in their order; the first is always there, cut where it must be. */
function joined(parts: readonly Part[], width: number): Line {
  const [first, ...others] = parts
  if (first === undefined) return { text: '', width: 0 }
  const text = cut(first.text, width)
  let used = widthOf(text)
  const kept = new Set<Part>()
  for (const part of [...others].sort((a, b) => a.rank - b.rank)) {
    const needs = GAP.length + widthOf(part.text)
    if (used + needs > width) continue
    used += needs
    kept.add(part)
  }
  const painted = others.filter((part) => kept.has(part)).map((part) => (part.paint ?? same)(part.text))
  const begin = (first.paint ?? same)(text)
  // Spaces at the end of a line that has nothing else are not drawn.
  return painted.length === 0
    ? { text: begin.trimEnd(), width: widthOf(text.trimEnd()) }
    : { text: [begin, ...painted].join(GAP), width: used }
}

const same = (text: string): string => text

function plainLine(text: string, width: number, paint: (text: string) => string): Line {
  const short = cut(text, width)
  return { text: paint(short), width: widthOf(short) }
}

function oneLine(text: string): string {
  return printable(text).replace(/\s+/g, ' ').trim()
}
