import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { CORE_VERSION } from '@plumbline/core'
import { openDrawing, type Drawing } from '../charts/plot'
import type { RowGroup } from '../figures/over-runs'
import type { RunRecord } from '../read/run'
import { html, Markup } from './html'
import { configuration, sources } from './provenance'
import { cost, samples } from './making'
import { overview } from './over-runs'
import { chip, Names, section } from './parts'
import { questions } from './questions'
import { results } from './results'
import { calibrationOf, histograms } from './scores'
import { training } from './training'

const ASSETS = path.join(__dirname, '..', '..', 'assets')

/** How several runs are shown together. */
export interface Together {
  readonly titles?: readonly string[]
  readonly groups?: readonly RowGroup[]
}

/**
 * The page: one file that loads nothing, whatever stands in the data. Its own script is the only one that its policy lets run, and what it adds, filters and
 * orders, is all that is missing without it.
 */
export async function renderPage(records: readonly RunRecord[], together: Together = {}): Promise<string> {
  const { groups } = together
  // what the runs of a sweep have in one folder is each other's, and no news
  const runs = groups === undefined ? records : records.map((run) => ({ ...run, newer: [] }))
  const drawing = await openDrawing()
  const names = new Names([...new Set(runs.flatMap(({ models }) => models.map(({ name }) => name)))])
  const titles = together.titles ?? titlesOf(runs)
  const [only] = runs
  const title = only !== undefined && runs.length === 1 ? `Report of ${only.folder}` : `Report of ${runs.length} runs`
  const script = asset('report.js')
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="generator" content="Plumbline ${CORE_VERSION}" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <title>${title}</title>
        <style>
          ${new Markup(asset('report.css'))}
        </style>
      </head>
      <body>
        <header>
          <p class="brand">Plumbline</p>
          <h1>${title}</h1>
          ${only !== undefined && runs.length === 1 ? lead(only, names) : html`<p class="lead">${titles.join(' · ')}</p>`}
        </header>
        ${contents(runs, titles)}
        <main>
          ${runs.length > 1 ? section('runs', 'Over all runs', overview(runs, titles, names, drawing, groups), 2) : ''}
          ${runs.map((run, r) => (runs.length === 1 ? one(run, names, drawing, '') : section(`run-${r + 1}`, titles[r] ?? '', html`${lead(run, names)}${one(run, names, drawing, `run-${r + 1}-`)}`, 2)))}
        </main>
        <footer>
          <p>
            Written by <code>plumb report</code>, Plumbline ${CORE_VERSION}. The figures are those of <code>report.json</code> in the run’s
            folder; what each means: docs/diagnostics.md.
          </p>
        </footer>
        ${new Markup(`<script>${script}</script>`)}
      </body>
    </html> `
  return page.text.replace(/^\s+/, '')
}

const SECTIONS = [
  ['results', 'Results'],
  ['training', 'Training'],
  ['scores', 'Scores before and after'],
  ['calibration', 'Calibration'],
  ['questions', 'Questions'],
  ['samples', 'Samples'],
  ['cost', 'Time and tokens'],
  ['data', 'Data'],
  ['configuration', 'Configuration'],
] as const

function one(run: RunRecord, names: Names, drawing: Drawing, prefix: string): Markup {
  const bodies: Record<(typeof SECTIONS)[number][0], Markup> = {
    results: results(run, names, drawing),
    training: training(run, names, drawing),
    scores: histograms(run, names, drawing),
    calibration: calibrationOf(run, names, drawing),
    questions: questions(run, names),
    samples: samples(run, drawing),
    cost: cost(run),
    data: sources(run),
    configuration: configuration(run),
  }
  return html`${SECTIONS.map(([id, title]) => section(`${prefix}${id}`, title, bodies[id], prefix === '' ? 2 : 3))}`
}

/** What was compared, in a sentence, and all that a reader must not overlook. */
function lead({ report, models, missing, newer, model, file, folder }: RunRecord, names: Names): Markup {
  const compared = report?.rows.map(({ name }) => name) ?? models.map(({ name }) => name)
  const notices = [...(report?.notices ?? [])]
  return html`<p class="lead">
      ${report ? 'Compared:' : 'So far:'}
      ${compared.map((name) => chip(names, name))}${model === undefined ? '' : html` from <code>${model}</code>`}${report ? html`, against <b>${report.control}</b>. Design: ${report.design}.` : '.'}
      ${file === undefined ? '' : html`The figures are those of <code>${folder}/${file}</code>${report?.key !== undefined && file === 'report.json' ? html` (kept as <code>report-${report.key}.json</code>)` : ''}.`}
    </p>
    ${
      missing.length === 0
        ? ''
        : html`<aside class="missing">
            <h4>What is missing</h4>
            <ul>
              ${missing.map((each) => html`<li>${each}</li>`)}
            </ul>
          </aside>`
    }
    ${
      newer.length === 0
        ? ''
        : html`<aside>
            <h4>Not in this report</h4>
            <p>Newer in the folder: ${newer.map((each, n) => html`${n > 0 ? ', ' : ''}<code>${each}</code>`)}.</p>
          </aside>`
    }
    ${
      notices.length === 0
        ? ''
        : html`<aside class="notices">
            <h4>Notices</h4>
            <ul>
              ${notices.map((each) => html`<li>${each}</li>`)}
            </ul>
          </aside>`
    }`
}

function contents(runs: readonly RunRecord[], titles: readonly string[]): Markup {
  const links: (readonly [string, string])[] =
    runs.length === 1 ? [...SECTIONS] : [['runs', 'Over all runs'], ...titles.map((title, r) => [`run-${r + 1}`, title] as const)]
  return html`<nav aria-label="Contents">${links.map(([id, title]) => html`<a href="#${id}">${title}</a>`)}</nav>`
}

/** What tells the runs apart: the ends of their folders, and the report's file where it is not the latest. */
function titlesOf(runs: readonly RunRecord[]): string[] {
  const named = runs.map(({ folder, file }) => [
    ...folder.split(/[\\/]/),
    ...(file === undefined || file === 'report.json' ? [] : [file.replace(/^report-|\.json$/g, '')]),
  ])
  const ends = named.map((parts) => parts.at(-1) ?? '')
  return new Set(ends).size === ends.length ? ends : named.map((parts) => parts.join('/'))
}

function asset(name: string): string {
  return readFileSync(path.join(ASSETS, name), 'utf8')
}
