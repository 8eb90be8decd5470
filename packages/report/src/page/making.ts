import { difficultyChart, lengthChart } from '../charts/bars'
import type { Drawing } from '../charts/plot'
import type { RunRecord, StageRecord } from '../read/run'
import { ABSENT, count, duration, percent } from './figures'
import { html, type Markup } from './html'
import { facts, figureBox } from './parts'

/** What was sampled, and how it was labelled. */
export function samples({ report, stages, samples: own, difficulties }: RunRecord, drawing: Drawing): Markup {
  const sampling = stages.filter(({ found: { stage } }) => stage === 'sample' || stage === 'label')
  const rows = Object.entries(
    report?.samples ?? Object.fromEntries(sampling.flatMap(({ found }) => Object.entries(found.manifest?.figures ?? {}))),
  )
  const unparsed = report?.unparsed
  if (rows.length === 0) return html`<p>Nothing was sampled yet.</p>`
  return html`<div class="beside">
      ${facts(rows.map(([name, value]) => [name, html`<span data-sample="${name}" data-value="${value}">${name.includes('@') ? percent(value) : count(value)}</span>`]))}
      <div class="charts">
        ${difficulties && difficulties.length > 0 ? figureBox('How hard the questions are', 'Questions by how many of their completions are right.', difficultyChart(drawing, difficulties)) : ''}
        ${own && own.lengths.length > 0 ? figureBox('How long completions are', 'Distinct ones, in tokens.', lengthChart(drawing, own.lengths)) : ''}
      </div>
    </div>
    ${
      unparsed === undefined
        ? ''
        : html`<h4>Without an answer</h4>
            <p>In ${count(unparsed.count)} of ${count(unparsed.of)} candidates no final answer was found. How some of them end:</p>
            ${unparsed.examples.map(
              ({ id, text }) =>
                html`<blockquote>
                  <code>${id}</code>
                  <p class="t">${text}</p>
                </blockquote>`,
            )}`
    }`
}

/** Every stage with what it took. */
export function cost({ stages }: RunRecord): Markup {
  if (stages.length === 0) return html`<p>The folder says nothing of the stages.</p>`
  const seconds = sum(stages.map(({ entry }) => entry?.seconds ?? 0))
  const tokens = sum(stages.map((stage) => stage.tokens ?? 0))
  return html`<p>
      Seconds are of the process that finished a stage: of a stage that was interrupted, its last part. Tokens are those of completions,
      sampled or trained on; prompts are not counted.
    </p>
    <div class="scroll">
      <table class="sortable">
        <thead>
          <tr>
            <th scope="col">Stage</th>
            <th scope="col">What came of it</th>
            <th scope="col" class="n">Time</th>
            <th scope="col" class="n">Tokens</th>
            <th scope="col" class="n">Tokens per second</th>
            <th scope="col">Finished</th>
          </tr>
        </thead>
        <tbody>
          ${stages.map(stageLine)}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">All stages</th>
            <td></td>
            <td class="n">${duration(seconds)}</td>
            <td class="n">${count(tokens)}</td>
            <td></td>
            <td></td>
          </tr>
        </tfoot>
      </table>
    </div>
    ${machines(stages)}`
}

function stageLine({ found: { stage, variant, name, manifest }, entry, tokens }: StageRecord): Markup {
  const seconds = entry?.seconds
  const rate = tokens !== undefined && seconds !== undefined && seconds > 0 ? Math.round(tokens / seconds) : undefined
  return html`<tr>
    <th scope="row" title="${name}">${[stage, variant].filter(Boolean).join(' ')}</th>
    <td>${manifest?.summary ?? 'begun, not finished'}</td>
    <td class="n" data-value="${seconds ?? ''}">${seconds === undefined ? ABSENT : duration(seconds)}</td>
    <td class="n" data-value="${tokens ?? ''}">${tokens === undefined ? ABSENT : count(tokens)}</td>
    <td class="n" data-value="${rate ?? ''}">${rate === undefined ? ABSENT : count(rate)}</td>
    <td class="whole">${entry?.time.slice(0, 16).replace('T', ' ') ?? ABSENT}</td>
  </tr>`
}

/** Where it was computed; of stages that different machines made, each. */
function machines(stages: readonly StageRecord[]): Markup {
  const known = stages.flatMap(({ entry }) => (entry?.machine ? [JSON.stringify(entry.machine)] : []))
  const all = [...new Set(known)].map((text) => JSON.parse(text) as NonNullable<NonNullable<StageRecord['entry']>['machine']>)
  if (all.length === 0) return html`<p>The version that made this run did not write down on what machine.</p>`
  return html`<h4>Machine</h4>
    ${all.map(({ cpu, cores, memoryGiB, system, node, engine }) =>
      facts([
        ['engine', engine],
        ['processor', `${cpu}, ${cores} ${cores === 1 ? 'core' : 'cores'}`],
        ['memory', `${memoryGiB} GiB`],
        ['system', `${system}, Node ${node}`],
      ]),
    )}`
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
