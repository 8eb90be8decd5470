import type { Verdict } from '@plumbline/core'
import type { Claim, Comparison } from './claims'
import { verdictsOf, type JudgedClaim } from './judge'
import { mean, type Figure, type Point } from './outcomes'
import type { RunRow } from './run-cell'

/** What a claim's file of results says, beside the list of its runs. */
export interface ClaimResult {
  readonly claim: string
  readonly title: string
  readonly paper: string
  readonly model: string
  readonly parameters: number
  readonly seeds: readonly number[]
  readonly settings: string
  readonly command: string
  readonly judged: JudgedClaim
  readonly runs: readonly RunRow[]
  /** Of claim d: the mean score of wrong candidates over steps, by variant; a curve a seed. */
  readonly curves?: Readonly<Record<string, readonly (readonly Point[])[]>>
}

/** Accuracy and its like in points; surprise in nats a token. */
const IN_POINTS: ReadonlySet<Figure> = new Set(['right', 'degenerate', 'assessment', 'misled'])
const FIGURES: Readonly<Record<Figure, string>> = {
  right: 'accuracy, points',
  degenerate: 'degenerate answers, points',
  assessment: 'assessment accuracy, points',
  misled: 'questions with a wrong chain likelier than all right ones, points',
  negatives: 'surprise of wrong chains, nats a token',
  positives: 'surprise of right chains, nats a token',
}

/** How many comparisons came to what, where they differ: one verdict for all of them hides that. */
export function tally({ comparisons }: JudgedClaim, role: Comparison['role']): string {
  const verdicts = verdictsOf(comparisons, role)
  const counted = VERDICTS.flatMap((verdict) => {
    const count = verdicts.filter((each) => each === verdict).length
    return count > 0 ? [`${count} ${verdict}`] : []
  })
  return counted.length > 1 ? ` (of ${verdicts.length} comparisons ${counted.join(', ')})` : ''
}

const VERDICTS = ['reproduced', 'opposite', 'not', 'cannot tell'] as const satisfies readonly Verdict[]

export function markdownOf(result: ClaimResult, { comparisons }: Pick<Claim, 'comparisons'>): string {
  const { judged, runs, seeds } = result
  return [
    `# Claim (${result.claim}): ${result.title}`,
    '',
    `The paper: ${result.paper}.`,
    '',
    `**Verdict: ${judged.verdict}${tally(judged, 'claim')}.**${judged.ofControls === undefined ? '' : ` Of the comparisons that could explain it away: **${judged.ofControls}**${tally(judged, 'control')}.`}`,
    '',
    `Model ${result.model} (${result.parameters.toLocaleString('en')} parameters), ${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}, ${result.settings}. Made by \`${result.command}\`.`,
    '',
    '| comparison | role | figure | claimed | difference | 95 % interval | each seed | d over seeds | odds of a changed answer | p, Holm | verdict |',
    '|---|---|---|---|---|---|---|---|---|---|---|',
    ...judged.comparisons.map((each) => comparisonRow(each)),
    '',
    `Differences are paired over questions; interval and p are those of a hierarchical bootstrap over seeds and questions; p is corrected by Holm's procedure over the ${comparisons.length} comparisons of this claim. See DESIGN.md.`,
    '',
    '## Means over seeds',
    '',
    ...meansTable(runs),
    '',
    '## Every run',
    '',
    ...runsTable(runs),
    '',
  ].join('\n')
}

function comparisonRow(each: JudgedClaim['comparisons'][number]): string {
  const { comparison } = each
  const { title, role, figure, claimed } = comparison
  const start = [title, role, FIGURES[figure], claimed.direction === 'above' ? '> 0' : '< 0']
  if ('missing' in each) return `| ${[...start, `– (${each.missing})`, '–', '–', '–', '–', '–', 'cannot tell'].join(' | ')} |`
  const { found, changed, adjustedP, verdict } = each
  const shown = (value: number) => signed(value, figure)
  return `| ${[
    ...start,
    shown(found.difference),
    `${shown(found.interval[0])} to ${shown(found.interval[1])}${found.covers === 'questions' ? ' (questions alone)' : ''}`,
    found.seeds.map(shown).join(', '),
    found.effectSize === undefined ? '–' : found.effectSize.toFixed(2),
    changed === undefined ? '–' : `${changed.oddsRatio.toFixed(2)} (${changed.onlyFirst} : ${changed.onlySecond})`,
    adjustedP < 0.0001 ? '< 0.0001' : adjustedP.toFixed(4),
    verdict,
  ].join(' | ')} |`
}

/** `story: boundary − VFT, accuracy: +1.2 (−0.4 to +2.8)` */
export function shownComparison(each: JudgedClaim['comparisons'][number]): string {
  const { title, figure } = each.comparison
  const [what = ''] = FIGURES[figure].split(',')
  if ('missing' in each) return `${title}, ${what}: –`
  const { difference, interval } = each.found
  return `${title}, ${what}: ${signed(difference, figure)} (${signed(interval[0], figure)} to ${signed(interval[1], figure)})`
}

const HEAD = [
  '| cell | model | accuracy, % | degenerate, % | assessment | misled, % | perplexity of right | of wrong |',
  '|---|---|---|---|---|---|---|---|',
]

function meansTable(runs: readonly RunRow[]): string[] {
  const groups = new Map<string, RunRow[]>()
  for (const run of runs) groups.set(placeOf(run), [...(groups.get(placeOf(run)) ?? []), run])
  return [
    ...HEAD,
    ...[...groups].map(([place, own]) => {
      const of = (figure: Figure) => {
        const values = own.flatMap(({ means }) => means[figure] ?? [])
        return values.length === 0 ? undefined : mean(values)
      }
      return rowOf(place, of)
    }),
  ]
}

function runsTable(runs: readonly RunRow[]): string[] {
  return [
    ...HEAD.map((line, n) => (n === 0 ? line.replace('| cell |', '| seed, cell |') : line)),
    ...runs.map((run) => rowOf(`${run.seed}, ${placeOf(run)}`, (figure) => run.means[figure])),
  ]
}

const placeOf = ({ cell, model, set }: RunRow) => `${[cell, ...(set === undefined ? [] : [set])].join(', ')} | ${model}`

function rowOf(place: string, of: (figure: Figure) => number | undefined): string {
  const percent = (value: number | undefined) => (value === undefined ? '–' : (100 * value).toFixed(1))
  const perplexity = (value: number | undefined) => (value === undefined ? '–' : Math.exp(value).toFixed(3))
  const assessment = of('assessment')
  return `| ${[
    place,
    percent(of('right')),
    percent(of('degenerate')),
    assessment === undefined ? '–' : assessment.toFixed(3),
    percent(of('misled')),
    perplexity(of('positives')),
    perplexity(of('negatives')),
  ].join(' | ')} |`
}

function signed(value: number, figure: Figure): string {
  const size = Math.abs(value)
  return `${value < 0 ? '−' : '+'}${IN_POINTS.has(figure) ? (100 * size).toFixed(1) : size.toFixed(3)}`
}
