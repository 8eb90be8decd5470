import { calibrationChart, Histograms, type ModelScores } from '../charts/scores'
import type { Drawing } from '../charts/plot'
import { calibration, separation } from '../figures/calibration'
import type { RunRecord } from '../read/run'
import { count, fixed, percent, range } from './figures'
import { html, type Markup } from './html'
import { chip, figureBox, legend, type Names } from './parts'

/** The scores of the test candidates under each model that has any. */
export function scoresOf({ marks, models }: RunRecord, names: Names): ModelScores[] {
  return models.flatMap(({ name }, m) => {
    const candidates = marks.flatMap(({ positive, scores }) =>
      (scores[m] ?? []).map((score, c) => ({ score, right: positive[c] ?? false })),
    )
    return candidates.length === 0 ? [] : [{ model: names.place(name), name, candidates }]
  })
}

export function isRanked({ marks }: RunRecord): boolean {
  return marks.some(({ rewards }) => rewards !== undefined)
}

/** Histograms before and after. */
export function histograms(run: RunRecord, names: Names, drawing: Drawing): Markup {
  const models = scoresOf(run, names)
  if (models.length === 0) return html`<p>No model has scored the test candidates yet.</p>`
  const drawn = new Histograms(models, isRanked(run))
  return html`<p>
      A score is the mean log-probability of a candidate’s tokens. The candidates are the same for every model:
      ${count(models[0]?.candidates.length ?? 0)}. Filled: after; the line: before, under stage
      1.${drawn.hidden > 0 ? ` ${count(drawn.hidden)} scores are lower than what is drawn.` : ''}
    </p>
    <div class="charts pairs">
      ${models.map(({ name, model }, m) => figureBox(name, model === 0 ? 'before alignment' : 'after alignment', drawn.draw(drawing, m)))}
    </div>`
}

/** Calibration of scores against correctness. */
export function calibrationOf(run: RunRecord, names: Names, drawing: Drawing): Markup {
  const models = scoresOf(run, names)
  if (models.length === 0) return html`<p>No model has scored the test candidates yet.</p>`
  if (isRanked(run)) return html`<p>The candidates are ranked, and not right or wrong: there is nothing to calibrate against.</p>`
  return html`<p>
      Ten bins of equally many candidates by their score, and how many of each are right, with the Wilson 95 % interval. A model whose
      scores know what is right rises steeply from left to right. <i>Separation</i> is the chance that a right candidate of any question
      scores above a wrong one of any question (½: no better than chance); assessment accuracy, above, compares within questions.
    </p>
    ${legend(
      names,
      models.map(({ name }) => name),
    )}
    <div class="charts wide">${figureBox('Right by score', '', calibrationChart(drawing, models))}</div>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col" class="n">Separation</th>
            <th scope="col" class="n">Mean score, right</th>
            <th scope="col" class="n">Mean score, wrong</th>
          </tr>
        </thead>
        <tbody>
          ${models.map(({ name, candidates }) => {
            const mean = (right: boolean) => meanOf(candidates.filter((each) => each.right === right).map(({ score }) => score))
            return html`<tr>
              <th scope="row">${chip(names, name)}</th>
              <td class="n">${fixed(separation(candidates))}</td>
              <td class="n">${fixed(mean(true))}</td>
              <td class="n">${fixed(mean(false))}</td>
            </tr>`
          })}
        </tbody>
      </table>
    </div>
    <details>
      <summary>The bins as a table</summary>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col" class="n">Mean score</th>
              <th scope="col" class="n">Candidates</th>
              <th scope="col" class="n">Right</th>
              <th scope="col" class="n">95 % interval</th>
            </tr>
          </thead>
          <tbody>
            ${models.map(({ name, candidates }) =>
              calibration(candidates).map(
                (bin) =>
                  html`<tr>
                    <th scope="row">${chip(names, name)}</th>
                    <td class="n">${fixed(bin.score)}</td>
                    <td class="n">${count(bin.count)}</td>
                    <td class="n">${percent(bin.fraction)}</td>
                    <td class="n">${range(bin.interval)}</td>
                  </tr>`,
              ),
            )}
          </tbody>
        </table>
      </div>
    </details>`
}

function meanOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length
}
