import type { Markup } from '../page/html'
import type { Step } from '../read/curves'
import { lookOf } from './colours'
import type { Drawing } from './plot'

/** One figure over the steps of a training. */
export interface CurveFigure {
  readonly title: string
  /** Of the axis. */
  readonly unit: string
  of(step: Step): number | undefined
}

/** What is drawn of the alignment of every variant. */
export const ALIGNMENT_FIGURES: readonly CurveFigure[] = [
  { title: 'Loss', unit: 'loss', of: (step) => step.loss },
  { title: 'Score of right candidates', unit: 'nats per token', of: (step) => step['score/positive'] },
  { title: 'Score of wrong candidates', unit: 'nats per token', of: (step) => step['score/negative'] },
  { title: 'Margin between right and wrong', unit: 'nats per token', of: (step) => step.margin },
  { title: 'Perplexity of wrong candidates', unit: 'perplexity', of: (step) => perplexity(step['score/negative']) },
  { title: 'Pairs in the right order', unit: 'fraction', of: (step) => step.assessment },
]

export const LOSS: CurveFigure = { title: 'Loss of stage 1', unit: 'nats per token', of: (step) => step.loss ?? step['validation/sft'] }

const perplexity = (score: number | undefined) => (score === undefined ? undefined : Math.exp(-score))

/** The steps of one model in one run. */
export interface Series {
  /** The model's place among the models, which gives its colour. */
  readonly model: number
  readonly name: string
  readonly steps: readonly Step[]
  /** Drawn in dashes, as what is looked at beside. */
  readonly beside?: boolean
}

/** About this part of a curve is averaged for the bold line. */
const WINDOW = 1 / 20

/** Each step faint, the mean over neighbouring steps bold; undefined where no series has the figure. */
export function curveChart({ plot, draw }: Drawing, figure: CurveFigure, series: readonly Series[]): Markup | undefined {
  const lines = series.flatMap(({ steps, model, name, beside = false }) => {
    const points = steps.flatMap((step) => {
      const y = figure.of(step)
      return y === undefined || !Number.isFinite(y) ? [] : [{ x: step.step ?? 0, y }]
    })
    return points.length === 0 ? [] : [{ points, name, beside, look: lookOf(model) }]
  })
  if (lines.length === 0) return undefined
  const marks = lines.map(({ points, beside, look: { colour, dashes } }) => {
    const k = Math.max(1, Math.round(points.length * WINDOW))
    const place = { x: 'x', y: 'y', stroke: colour }
    const dash = beside ? '2 3' : dashes
    const line = { ...place, strokeWidth: 2, ...(dash ? { strokeDasharray: dash } : {}) }
    return {
      faint:
        k === 1
          ? plot.dot(points, { ...place, fill: colour, r: 2 })
          : plot.lineY(points, { ...place, strokeWidth: 1, strokeOpacity: 0.14 }),
      bold: plot.lineY(points, plot.windowY({ k, anchor: 'middle', reduce: 'mean', strict: false }, line)),
    }
  })
  const last = ({ points }: (typeof lines)[number]) => points.at(-1)?.y.toFixed(3) ?? ''
  const description = `${figure.title} by step. At the end: ${lines.map((line) => `${line.name} ${last(line)}`).join(', ')}.`
  return draw(
    {
      x: { label: 'step', ticks: 6 },
      y: { label: figure.unit, grid: true, ticks: 5 },
      marks: [...marks.map(({ faint }) => faint), ...marks.map(({ bold }) => bold)],
    },
    description,
  )
}
