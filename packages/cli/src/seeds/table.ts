import type { ReportRow } from '@plumbline/core'
import { printable, shownPath } from '@plumbline/core/base'
import type { MeanOfRuns } from '@plumbline/report'
import { formatDuration } from '../progress/format'
import { ABSENT, figure, percent, points } from '../report/report'
import { renderTable, type Column } from '../report/table'
import type { SweepReport, SweepRow } from './session'

/** The table over all runs, what was noticed, and where everything is. */
export function renderSweep(report: SweepReport): string {
  const { rows, runs, notices, seconds, run, page } = report
  const parts: string[] = []
  if (rows.length > 0) parts.push(caption(report), sweepTable(report))
  else parts.push(`Done: ${runs.map(({ title }) => title).join('; ')}.`)
  if (notices.length > 0) parts.push(notices.map((notice) => `! ${notice}`).join('\n'))
  const where = page === undefined ? '' : ` One page of all runs: ${shownPath(page)}.`
  parts.push(`${formatDuration(seconds)} in all; everything is in ${shownPath(run)}.${where}`)
  return printable(parts.join('\n\n'))
}

function caption({ seeds, runs }: SweepReport): string {
  const questions = runs[0]?.report.rows[0]?.questions ?? 0
  const answers = questions === 0 ? 'No test question has an answer to compare with' : `Greedy answers to ${questions} test questions`
  const over =
    seeds.length > 1
      ? `Means over the seeds ${seeds.join(', ')}; intervals and ± are Student's t, 95 %, over seeds.`
      : 'One run of each setting: intervals are over questions, ± is the standard error of the difference; neither covers what another seed does.'
  return `${answers}. ${over}`
}

function sweepTable({ rows, runs, controls, seeds }: SweepReport): string {
  const columns: Column[] = [
    { title: ['model'], align: 'left' },
    { title: ['accuracy'], align: 'right' },
    { title: ['95 %', 'interval'], align: 'right' },
    { title: ['against', controls.join(', ')], align: 'right' },
    { title: ['assessment', 'accuracy'], align: 'right' },
    { title: ['perplexity', 'positives'], align: 'right' },
    { title: ['perplexity', 'negatives'], align: 'right' },
    { title: ['no', 'answer'], align: 'right' },
  ]
  const cells = (row: SweepRow) => (seeds.length > 1 ? cellsOverSeeds(row, controls) : cellsOfOne(row, runs, controls))
  return renderTable(columns, rows.map(cells))
}

function cellsOverSeeds(row: SweepRow, controls: readonly string[]): string[] {
  const { accuracy, difference } = row
  return [
    row.title,
    percent(accuracy?.mean),
    interval(accuracy?.interval),
    difference === undefined ? versusNothing(row.name, controls) : `${points(difference.mean)}${half(difference, 100, 1)}`,
    withHalf(row.assessmentAccuracy),
    withHalf(row.positivePerplexity),
    withHalf(row.negativePerplexity),
    percent(row.parseFailures?.mean),
  ]
}

/** Of a single run there is the uncertainty over its questions alone. */
function cellsOfOne({ title, name, runs: [place = 0] }: SweepRow, runs: SweepReport['runs'], controls: readonly string[]): string[] {
  const row: ReportRow | undefined = runs[place]?.report.rows.find((each) => each.name === name)
  const versus = row?.versusControl
  return [
    title,
    percent(row?.accuracy),
    interval(row?.interval),
    versus === undefined ? versusNothing(name, controls) : `${points(versus.difference)} ± ${(100 * versus.standardError).toFixed(1)}`,
    figure(row?.assessmentAccuracy),
    figure(row?.positivePerplexity),
    figure(row?.negativePerplexity),
    percent(row?.parseFailures),
  ]
}

const versusNothing = (name: string, controls: readonly string[]) => (controls.includes(name) ? 'control' : ABSENT)

function interval(of: readonly [number, number] | undefined): string {
  return of === undefined ? ABSENT : `${percent(of[0], false)}–${percent(of[1], false)}`.replace('-', '−')
}

function withHalf(of: MeanOfRuns | undefined): string {
  return of === undefined ? ABSENT : `${figure(of.mean)}${half(of, 1, 3)}`
}

function half({ mean, interval: of }: MeanOfRuns, unit: number, digits: number): string {
  return of === undefined ? '' : ` ± ${(unit * (of[1] - mean)).toFixed(digits)}`
}
