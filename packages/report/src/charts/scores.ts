import type { LineYOptions, RectYOptions } from '@observablehq/plot' with { 'resolution-mode': 'import' }
import { calibration, type ScoredCandidate } from '../figures/calibration'
import type { Markup } from '../page/html'
import { lookOf } from './colours'
import type { Drawing } from './plot'

/** The scores of the same candidates under one model. */
export interface ModelScores {
  readonly model: number
  readonly name: string
  readonly candidates: readonly ScoredCandidate[]
}

const BINS = 44

/**
 * Where the scores lie that are drawn: without the lowest 0.5 % of all models', which would leave the others no room. They are counted in the
 * first bin.
 */
export function domainOf(models: readonly ModelScores[]): readonly [number, number] {
  const all = Float64Array.from(models.flatMap(({ candidates }) => candidates.map(({ score }) => score))).sort()
  const low = all[Math.floor(0.005 * all.length)] ?? -1
  return [low, Math.max(all.at(-1) ?? 0, low + 1e-6)]
}

/** The distribution of one model's scores, right and wrong candidates apart, over that of stage 1. */
export function histogram(
  { plot, draw }: Drawing,
  { model, name, candidates }: ModelScores,
  before: ModelScores | undefined,
  [low, high]: readonly [number, number],
  isRanked: boolean,
): Markup {
  const kind = ({ right }: ScoredCandidate) => (isRanked ? 'candidates' : right ? 'right' : 'wrong')
  const shown = (of: readonly ScoredCandidate[]) => of.map((each) => ({ score: Math.max(low, each.score), kind: kind(each) }))
  const width = (high - low) / BINS
  const thresholds = Array.from({ length: BINS + 1 }, (_, n) => low + n * width)
  const bins = { x: { value: 'score', thresholds }, fy: 'kind' } as const
  const { colour } = lookOf(model)
  const bars = plot.rectY(
    shown(candidates),
    plot.binX<RectYOptions>({ y: 'proportion-facet' }, { ...bins, fill: colour, fillOpacity: 0.55, insetLeft: 0.5, insetRight: 0 }),
  )
  const line =
    before && model !== 0
      ? [
          plot.lineY(
            shown(before.candidates),
            plot.binX<LineYOptions>({ y: 'proportion-facet' }, { ...bins, curve: 'step', stroke: 'var(--stage-1)', strokeWidth: 1.2 }),
          ),
        ]
      : []
  const mean = (of: readonly ScoredCandidate[]) => (of.reduce((sum, { score }) => sum + score, 0) / of.length).toFixed(3)
  const kinds = [...new Set(candidates.map(kind))].sort()
  const means = kinds.map((each) => `${each} ${mean(candidates.filter((candidate) => kind(candidate) === each))}`).join(', ')
  const options = {
    height: isRanked ? 150 : 240,
    marginRight: 44,
    x: { label: 'score, nats per token', domain: [low, high], ticks: 5 },
    y: { label: 'share', percent: true, ticks: 3, grid: true },
    fy: { label: null, domain: kinds },
    marks: [bars, ...line, plot.ruleY([0])],
  }
  return draw(options, `Scores of ${name}. Mean: ${means}.`)
}

/** How often candidates of a score are right, for every model. */
export function calibrationChart({ plot, draw }: Drawing, models: readonly ModelScores[]): Markup {
  const lines = models.map(({ model, candidates, name }) => ({ name, look: lookOf(model), bins: calibration(candidates) }))
  const marks = lines.flatMap(({ bins, look: { colour, dashes } }) => [
    plot.ruleX(bins, {
      x: 'score',
      y1: ({ interval }: (typeof bins)[number]) => interval[0],
      y2: ({ interval }: (typeof bins)[number]) => interval[1],
      stroke: colour,
      strokeOpacity: 0.45,
    }),
    plot.lineY(bins, { x: 'score', y: 'fraction', stroke: colour, strokeWidth: 2, ...(dashes ? { strokeDasharray: dashes } : {}) }),
    plot.dot(bins, { x: 'score', y: 'fraction', fill: colour, r: 3 }),
  ])
  const ends = lines.map(({ name, bins }) => {
    const of = (n: number) => `${(100 * (bins.at(n)?.fraction ?? 0)).toFixed(0)} %`
    return `${name} from ${of(0)} of the lowest scores to ${of(-1)} of the highest`
  })
  const options = {
    width: 640,
    height: 320,
    x: { label: 'mean score of the bin, nats per token', ticks: 6 },
    y: { label: 'right, %', percent: true, grid: true, domain: [0, 100] },
    marks: [...marks, plot.ruleY([0])],
  }
  return draw(options, `Fraction of right candidates by score: ${ends.join('; ')}.`)
}
