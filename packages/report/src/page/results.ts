import { roundName, type ReportContent, type ReportRow } from '@plumbline/core'
import { intervalChart, type IntervalRow } from '../charts/intervals'
import type { Drawing } from '../charts/plot'
import type { RunRecord } from '../read/run'
import { ABSENT, count, fixed, percent, points, range } from './figures'
import { html, type Markup } from './html'
import { chip, figureBox, type Names } from './parts'

/** z of a 95 % interval. */
const NORMAL = 1.959963984540054

/** The closing table of a run, with its intervals and paired differences, and the same as pictures. */
export function results(run: RunRecord, names: Names, drawing: Drawing): Markup {
  const { report } = run
  if (report === undefined) return html`<p>There is no table of results yet: see what is missing, above.</p>`
  const { rows, control } = report
  const asked = rows[0]?.questions ?? 0
  const sets = rows[0]?.sets ?? []
  return html`<p>
      ${asked === 0 ? 'No test question has an answer to compare with, so there is no accuracy.' : html`Greedy answers to <b>${count(asked)}</b> test questions. In brackets the Wilson 95 % interval of a row by itself; to compare rows, use the paired difference to <b>${control}</b>, ± its standard error over questions.${rows.some(({ round = 1 }) => round > 1) ? html` A model with “+2” is that variant after its second round, and its difference is to the control after as many.` : ''}`}
      Assessment accuracy and the perplexities are of the same test candidates for every
      row.${sets.length > 0 ? html` The first table is of all ${sets.length} test sets together, every question counting once.` : ''}
    </p>
    ${table(rows, report, names)}
    ${sets.map(({ name, questions }, s) => {
      const own = rows.flatMap((row) => (row.sets?.[s] ? [{ ...row.sets[s], name: row.name, round: row.round }] : []))
      return html`<h4>Test set ${name}, ${count(questions)} questions</h4>
        ${table(own, report, names)}`
    })}
    ${charts(report, names, drawing)}`
}

function table(rows: readonly ReportRow[], { control }: ReportContent, names: Names): Markup {
  const hasRounds = rows.some(({ round }) => round !== undefined)
  return html`<div class="scroll">
    <table class="sortable results">
      <thead>
        <tr>
          <th scope="col">Model</th>
          ${hasRounds ? html`<th scope="col" class="n">Round</th>` : ''}
          <th scope="col" class="n">Accuracy</th>
          <th scope="col" class="n">95 % interval</th>
          <th scope="col" class="n">Δ to ${control}, points</th>
          <th scope="col" class="n">Assessment accuracy</th>
          <th scope="col" class="n">Perplexity of right</th>
          <th scope="col" class="n">Perplexity of wrong</th>
          <th scope="col" class="n">No answer</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map((row) => line(row, control, names, hasRounds))}
      </tbody>
    </table>
  </div>`
}

function line(row: ReportRow, control: string, names: Names, hasRounds: boolean): Markup {
  const { name, round, accuracy, interval, versusControl, assessmentAccuracy, positivePerplexity, negativePerplexity, parseFailures } = row
  const isControl = name === control || name === roundName(control, round ?? 1)
  return html`<tr data-model="${name}">
    <th scope="row">${chip(names, name)}${isControl ? html` <small>control</small>` : ''}</th>
    ${hasRounds ? figure('round', round, round === undefined ? ABSENT : String(round)) : ''}
    ${figure('accuracy', accuracy, percent(accuracy))}
    ${figure('interval', interval?.[0], interval ? range(interval) : ABSENT, interval?.[1])}
    ${figure('difference', versusControl?.difference, versusControl ? `${points(versusControl.difference)} ± ${(100 * versusControl.standardError).toFixed(1)}` : ABSENT, versusControl?.standardError)}
    ${figure('assessmentAccuracy', assessmentAccuracy, fixed(assessmentAccuracy))}
    ${figure('positivePerplexity', positivePerplexity, fixed(positivePerplexity))}
    ${figure('negativePerplexity', negativePerplexity, fixed(negativePerplexity))}
    ${figure('parseFailures', parseFailures, percent(parseFailures))}
  </tr>`
}

/** A cell with the figure as it stands in report.json beside the one that is shown, to sort by and to compare. */
export function figure(name: string, value: number | undefined, shown: string, second?: number): Markup {
  const more = second === undefined ? '' : html` data-second="${second}"`
  return html`<td class="n" data-figure="${name}" data-value="${value ?? ''}" ${more}>${shown}</td>`
}

function charts({ rows, control }: ReportContent, names: Names, drawing: Drawing): Markup {
  const accuracies = rows.flatMap(({ name, accuracy, interval }): IntervalRow[] =>
    accuracy === undefined || interval === undefined ? [] : [{ model: names.place(name), name, value: accuracy, interval }],
  )
  const differences = rows.flatMap(({ name, versusControl }): IntervalRow[] => {
    if (versusControl === undefined) return name === control ? [{ model: names.place(name), name, value: 0 }] : []
    const { difference, standardError: se } = versusControl
    return [{ model: names.place(name), name, value: difference, interval: [difference - NORMAL * se, difference + NORMAL * se] }]
  })
  if (accuracies.length === 0) return html``
  const difference = `difference to ${control}, points`
  return html`<div class="charts">
    ${figureBox('Accuracy', 'Wilson 95 % interval.', intervalChart(drawing, accuracies, { label: 'accuracy, %' }))}
    ${differences.length < 2 ? '' : figureBox(`Paired difference to ${control}`, '± 1.96 standard errors over questions. It covers the choice of questions, not the seed of training.', intervalChart(drawing, differences, { label: difference, zero: true }))}
  </div>`
}
