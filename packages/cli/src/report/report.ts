import type { ReportRow, RunReport } from '@plumbline/core'
import { printable, roundName, shownPath } from '@plumbline/core/base'
import { formatDuration } from '../progress/format'
import { renderTable, type Column } from './table'

export const ABSENT = '–'

/** The closing table, what was sampled, and the notices, as the last thing a run prints. */
export function renderReport(report: RunReport): string {
  const parts: string[] = []
  if (report.rows.length > 0) parts.push(reportTable(report))
  if (report.samples !== undefined) {
    const further = Object.entries(report.furtherSamples ?? {}).map(([model, own]) => samplesLine(own, `Samples of ${model}`))
    parts.push([samplesLine(report.samples), ...further].join('\n'))
  }
  if (report.notices.length > 0) parts.push(report.notices.map((notice) => `! ${notice}`).join('\n'))
  parts.push(`${formatDuration(report.seconds)} in all; everything is in ${shownPath(report.run)}`)
  return printable(parts.join('\n\n'))
}

function reportTable({ rows, control, design }: RunReport): string {
  const hasRounds = rows.some(({ round }) => round !== undefined)
  const columns: Column[] = [
    { title: ['model'], align: 'left' },
    ...(hasRounds ? [{ title: ['round'], align: 'right' } as const] : []),
    { title: ['accuracy'], align: 'right' },
    { title: ['95 %', 'interval'], align: 'right' },
    { title: ['against', control], align: 'right' },
    { title: ['assessment', 'accuracy'], align: 'right' },
    { title: ['perplexity', 'positives'], align: 'right' },
    { title: ['perplexity', 'negatives'], align: 'right' },
    { title: ['no', 'answer'], align: 'right' },
  ]
  const questions = rows[0]?.questions ?? 0
  const answers =
    questions === 0
      ? 'No test question has an answer to compare with'
      : `Greedy answers to ${questions} test questions; differences in points, ± standard error`
  const caption = `${answers}. Design: ${design}.\n\n`
  const table = (of: readonly ReportRow[]) =>
    renderTable(
      columns,
      of.map((row) => cells(row, control, hasRounds)),
    )
  const sets = rows[0]?.sets ?? []
  if (sets.length === 0) return caption + table(rows)
  const own = sets.map(({ name, questions: asked }, s) => {
    const ofSet = rows.flatMap((row) => (row.sets?.[s] ? [{ ...row.sets[s], name: row.name, round: row.round }] : []))
    return `${name}, ${asked} test questions:\n\n${table(ofSet)}`
  })
  return [caption + table(rows), ...own].join('\n\n')
}

function cells(row: ReportRow, control: string, hasRounds: boolean): string[] {
  return [
    row.name,
    ...(hasRounds ? [row.round === undefined ? ABSENT : String(row.round)] : []),
    percent(row.accuracy),
    row.interval === undefined ? ABSENT : `${percent(row.interval[0], false)}–${percent(row.interval[1], false)}`,
    versusControl(row, control),
    figure(row.assessmentAccuracy),
    figure(row.positivePerplexity),
    figure(row.negativePerplexity),
    percent(row.parseFailures),
  ]
}

function versusControl({ name, round = 1, versusControl }: ReportRow, control: string): string {
  if (versusControl === undefined) return name === control || name === roundName(control, round) ? 'control' : ABSENT
  return `${points(versusControl.difference)} ± ${(100 * versusControl.standardError).toFixed(1)}`
}

/** A difference of fractions in points, with its sign. */
export function points(fraction: number): string {
  // A minus sign and a plus sign are equally wide; a hyphen is not always.
  return `${fraction < 0 ? '−' : '+'}${Math.abs(100 * fraction).toFixed(1)}`
}

function samplesLine(samples: Readonly<Record<string, number>>, title = 'Samples'): string {
  return `${title}: ${Object.entries(samples)
    .map(([name, value]) => (name.includes('@') ? `${name} ${percent(value)}` : `${value} ${name}`))
    .join(', ')}`
}

export function percent(fraction: number | undefined, unit = true): string {
  return fraction === undefined ? ABSENT : (100 * fraction).toFixed(1) + (unit ? ' %' : '')
}

export function figure(value: number | undefined): string {
  return value === undefined ? ABSENT : value.toFixed(3)
}
