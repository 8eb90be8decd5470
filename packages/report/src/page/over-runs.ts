import { curveChart, ALIGNMENT_FIGURES, type Series } from '../charts/curves'
import { intervalChart, type IntervalRow } from '../charts/intervals'
import type { Drawing } from '../charts/plot'
import { overGroups, overRuns, type MeanOfRuns, type RowGroup, type RowOverRuns } from '../figures/over-runs'
import type { RunRecord } from '../read/run'
import { ABSENT, fixed, percent, points } from './figures'
import { html, type Markup } from './html'
import { chip, figureBox, legend, Names } from './parts'
import { settingsOf } from './provenance'

/** Several runs side by side: means over them, and what tells them apart. */
export function overview(
  runs: readonly RunRecord[],
  titles: readonly string[],
  models: Names,
  drawing: Drawing,
  groups?: readonly RowGroup[],
): Markup {
  const rows = groups === undefined ? overRuns(runs) : overGroups(runs, groups)
  // a row of a sweep has a name, and a colour, of its own
  const names = groups === undefined ? models : new Names(groups.map(({ title }) => title))
  const most = groups === undefined ? runs.filter(({ report }) => report !== undefined).length : Math.max(...rows.map((row) => row.runs))
  const count = groups === undefined ? `${most} runs` : `the runs of each setting, ${runs.length} in all`
  const controls = [...new Set(runs.flatMap(({ report }) => report?.control ?? []))]
  const without = runs.flatMap(({ report }, r) => (report ? [] : [titles[r]]))
  return html`<p>
      Means over ${count}, each counting once, with Student’s t 95 % interval over runs; below them the single runs. Unlike the intervals of
      one run they cover what differs between the runs: of seeds, training and sampling too.
      ${controls.length > 1 ? html`<b>The runs have different controls (${controls.join(', ')}): their differences do not compare.</b>` : ''}
      ${without.length > 0 ? html`<b>Not finished, and in no mean: ${without.join(', ')}.</b>` : ''}
    </p>
    ${rows.length === 0 ? '' : table(rows, most, controls, names)} ${charts(rows, controls, names, drawing)}
    <h3>What differs between the runs</h3>
    ${differences(runs, titles, groups !== undefined)}
    <h3>Training, mean over runs</h3>
    ${training(runs, names, drawing, groups ?? groupsOf(runs, models), models.all[0])}`
}

function table(rows: readonly RowOverRuns[], most: number, controls: readonly string[], names: Names): Markup {
  const point = (value: number) => (100 * value).toFixed(1)
  return html`<div class="scroll">
    <table class="sortable over-runs">
      <thead>
        <tr>
          <th scope="col">Model</th>
          <th scope="col" class="n">Runs</th>
          <th scope="col" class="n">Accuracy, %</th>
          <th scope="col" class="n">Δ to ${controls.join(', ')}, points</th>
          <th scope="col" class="n">Assessment accuracy</th>
          <th scope="col" class="n">Perplexity of right</th>
          <th scope="col" class="n">Perplexity of wrong</th>
          <th scope="col" class="n">No answer</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr data-model="${row.name}">
              <th scope="row">${chip(names, row.name)}</th>
              <td class="n" data-value="${row.runs}">${row.runs < most ? html`<b>${row.runs}</b>` : row.runs}</td>
              ${cell('accuracy', row.accuracy, point)} ${cell('difference', row.difference, points)}
              ${cell('assessmentAccuracy', row.assessmentAccuracy, fixed)} ${cell('positivePerplexity', row.positivePerplexity, fixed)}
              ${cell('negativePerplexity', row.negativePerplexity, fixed)}
              ${cell('parseFailures', row.parseFailures, (value) => percent(value))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`
}

function cell(name: string, of: MeanOfRuns | undefined, shown: (value: number) => string): Markup {
  if (of === undefined) return html`<td class="n" data-figure="${name}" data-value="">${ABSENT}</td>`
  const { mean, interval, values } = of
  const half = interval === undefined ? '' : ` ± ${shown(interval[1] - mean).replace('+', '')}`
  const each = values.length > 1 ? html`<br /><small>${values.map((value) => shown(value)).join(', ')}</small>` : ''
  return html`<td class="n" data-figure="${name}" data-value="${mean}" data-second="${interval?.[1] ?? ''}">
    ${shown(mean)}${half}${each}
  </td>`
}

function charts(rows: readonly RowOverRuns[], controls: readonly string[], names: Names, drawing: Drawing): Markup {
  const rowsOf = (figure: 'accuracy' | 'difference') =>
    rows.flatMap((row): IntervalRow[] => {
      const of = row[figure]
      return of ? [{ model: names.place(row.name), name: row.name, value: of.mean, interval: of.interval, values: of.values }] : []
    })
  const [accuracy, difference] = [rowsOf('accuracy'), rowsOf('difference')]
  if (accuracy.length === 0) return html``
  const to = controls.join(', ')
  return html`<div class="charts">
    ${figureBox('Accuracy', 'Filled: the mean, with its interval over runs; rings: the runs.', intervalChart(drawing, accuracy, { label: 'accuracy, %' }))}
    ${difference.length === 0 ? '' : figureBox(`Difference to ${to}`, 'Mean of the paired differences of the runs.', intervalChart(drawing, difference, { label: `difference to ${to}, points`, zero: true }))}
  </div>`
}

/** Settings that are not the same in all runs: figures of different settings are no seeds of one another. */
function differences(runs: readonly RunRecord[], titles: readonly string[], isSwept: boolean): Markup {
  const settings = runs.map(settingsOfRun)
  const keys = [...new Set(settings.flatMap((own) => [...own.keys()]))]
  const differing = keys.filter((key) => new Set(settings.map((own) => own.get(key))).size > 1)
  const onlySeed = differing.every((key) => key === 'seed')
  const said =
    differing.length === 0
      ? 'Nothing that determines the stages: the runs are the same.'
      : onlySeed
        ? 'The seed alone.'
        : isSwept
          ? 'The setting, which the rows above have in their names.'
          : 'More than the seed: the means are over different settings.'
  return html`<p>${onlySeed || isSwept ? said : html`<b>${said}</b>`}</p>
    ${
      differing.length === 0
        ? ''
        : html`<div class="scroll">
            <table>
              <thead>
                <tr>
                  <th scope="col">Setting</th>
                  ${titles.map((title) => html`<th scope="col">${title}</th>`)}
                </tr>
              </thead>
              <tbody>
                ${differing.map(
                  (key) =>
                    html`<tr>
                      <th scope="row"><code>${key}</code></th>
                      ${settings.map((own) => html`<td><code>${own.get(key) ?? ABSENT}</code></td>`)}
                    </tr>`,
                )}
              </tbody>
            </table>
          </div>`
    }`
}

/** By stage and path; the seed once, and data by its content. */
function settingsOfRun({ stages, seed, sources }: RunRecord): Map<string, string> {
  const all = new Map<string, string>()
  if (seed !== undefined) all.set('seed', String(seed))
  for (const { source, hash } of sources) all.set(`${source} (content)`, hash.slice(0, 12))
  for (const {
    found: { stage, variant, determinedBy },
  } of stages)
    for (const [key, value] of settingsOf(determinedBy)) {
      // of test candidates the seed follows from the run's
      if (!key.endsWith('.seed')) all.set(`${[stage, variant].filter(Boolean).join(' ')}: ${key}`, value)
    }
  return all
}

/** Every model over all runs. */
function groupsOf(runs: readonly RunRecord[], { all }: Names): RowGroup[] {
  return all.map((name) => ({ title: name, name, runs: runs.map((_, r) => r) }))
}

/** Figures of each step, averaged over the runs that took it; stage 1 aligns nothing. */
function training(
  runs: readonly RunRecord[],
  names: Names,
  drawing: Drawing,
  groups: readonly RowGroup[],
  stage1: string | undefined,
): Markup {
  const series = groups.flatMap(({ title, name, runs: own }): Series[] => {
    const curves = own.flatMap((r) =>
      (runs[r]?.models ?? []).filter((model) => model.name === name && model.curve.length > 0).map(({ curve }) => curve),
    )
    return name === stage1 || curves.length === 0 ? [] : [{ model: names.place(title), name: title, steps: meanCurve(curves) }]
  })
  const figures = ALIGNMENT_FIGURES.flatMap((figure) => {
    const drawn = curveChart(drawing, figure, series)
    return drawn ? [figureBox(figure.title, '', drawn)] : []
  })
  if (figures.length === 0) return html`<p>No variant has been trained.</p>`
  return html`${legend(
      names,
      series.map(({ name }) => name),
    )}
    <div class="charts">${figures}</div>`
}

export function meanCurve(curves: readonly Series['steps'][]): Series['steps'] {
  const length = Math.min(...curves.map((curve) => curve.length))
  return Array.from({ length }, (_, n) => {
    const steps = curves.map((curve) => curve[n] ?? {})
    const figures = Object.keys(steps[0] ?? {}).filter((name) => steps.every((step) => step[name] !== undefined))
    return Object.fromEntries(figures.map((name) => [name, steps.reduce((sum, step) => sum + (step[name] ?? 0), 0) / steps.length]))
  })
}
