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

/**
 * Where the scores lie that are drawn: without the lowest 2 % of all models', which would leave the others no room.
 */
export function domainOf(models: readonly ModelScores[]): readonly [number, number] {
  const all = Float64Array.from(models.flatMap(({ candidates }) => candidates.map(({ score }) => score))).sort()
  const low = all[Math.floor(0.02 * all.length)] ?? -1
  return [low, Math.max(all.at(-1) ?? 0, low + 1e-6)]
}

/** Every model's scores in bins, right and wrong candidates apart. */
export class Histograms {
  private readonly domain: readonly [number, number]
  /** [models] by kind. */
  private readonly bins: readonly ReadonlyMap<string, readonly Bin[]>[]
  private readonly highest: number

  constructor(
    private readonly models: readonly ModelScores[],
    isRanked: boolean,
  ) {
    const domain = domainOf(models)
    const kinds = isRanked ? ['candidates'] : ['right', 'wrong']
    this.domain = domain
    this.bins = models.map(({ candidates }) => {
      const of = (kind: string) => candidates.filter(({ right }) => isRanked || right === (kind === 'right')).map(({ score }) => score)
      return new Map(kinds.map((kind) => [kind, binned(of(kind), domain)]))
    })
    this.highest = Math.max(...this.bins.flatMap((kind) => [...kind.values()].flat().map(({ share }) => share)))
  }

  /** How many candidates score too low to be drawn. */
  get hidden(): number {
    return this.models.flatMap(({ candidates }) => candidates).filter(({ score }) => score < this.domain[0]).length
  }

  /** One model's, with stage 1's as a line. */
  draw({ plot, draw }: Drawing, m: number): Markup {
    const [model, own, first] = [this.models[m], this.bins[m], this.models.findIndex((each) => each.model === 0)]
    if (model === undefined || own === undefined) throw new RangeError(`there is no model ${m}`)
    const before = first === m ? undefined : this.bins[first]
    const flat = (of: ReadonlyMap<string, readonly Bin[]>) => [...of].flatMap(([kind, bins]) => bins.map((bin) => ({ kind, ...bin })))
    const kinds = [...own.keys()]
    const place = { x1: 'from', x2: 'to', y: 'share', fy: 'kind' }
    const options = {
      height: kinds.length === 1 ? 150 : 240,
      marginRight: kinds.length === 1 ? 12 : 44,
      x: { label: 'score, nats per token', domain: this.domain, ticks: 5 },
      y: { label: 'share, %', percent: true, ticks: 3, grid: true, domain: [0, 100 * this.highest] },
      fy: { label: null, domain: kinds, ...(kinds.length === 1 ? { axis: null } : {}) },
      marks: [
        plot.rectY(flat(own), { ...place, fill: lookOf(model.model).colour, fillOpacity: 0.55, insetLeft: 0.5 }),
        ...(before
          ? [
              plot.lineY(flat(before), {
                x: 'from',
                y: 'share',
                fy: 'kind',
                curve: 'step-after' as const,
                stroke: 'var(--ink)',
                strokeWidth: 1.1,
              }),
            ]
          : []),
        plot.ruleY([0]),
      ],
    }
    const mean = (kind: string) => meanOf(model.candidates.filter(({ right }) => kinds.length === 1 || right === (kind === 'right')))
    return draw(options, `Scores of ${model.name}. Mean: ${kinds.map((kind) => `${kind} ${mean(kind)}`).join(', ')}.`)
  }
}

export interface Bin {
  readonly from: number
  readonly to: number
  /** Of all scores, those below the domain included. */
  readonly share: number
}

const BINS = 44

/** Equally wide bins over a domain; its upper end belongs to the last one. */
export function binned(scores: readonly number[], [low, high]: readonly [number, number], count = BINS): Bin[] {
  const width = (high - low) / count
  const counts = new Array<number>(count).fill(0)
  for (const score of scores) {
    const bin = Math.min(count - 1, Math.floor((score - low) / width))
    if (bin >= 0 && score <= high) counts[bin] = (counts[bin] ?? 0) + 1
  }
  return counts.map((n, bin) => ({
    from: low + bin * width,
    to: low + (bin + 1) * width,
    share: scores.length === 0 ? 0 : n / scores.length,
  }))
}

const meanOf = (of: readonly ScoredCandidate[]) =>
  of.length === 0 ? 'none' : (of.reduce((sum, { score }) => sum + score, 0) / of.length).toFixed(3)

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
