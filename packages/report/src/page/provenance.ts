import type { RunRecord } from '../read/run'
import { count } from './figures'
import { html, type Markup } from './html'
import { facts } from './parts'

/** Which files were read, and by what they are known. */
export function sources({ sources: all, model, report, seed }: RunRecord): Markup {
  const left = report?.sources ?? []
  const rows = all.map(({ source, files, records, hash }) => {
    const lost = left
      .filter((each) => each.source === source || each.source.startsWith(`${source}.`))
      .flatMap(({ leftOut }) => Object.entries(leftOut))
    return html`<tr>
      <th scope="row">${source}</th>
      <td>${files.map((file, f) => html`${f > 0 ? ', ' : ''}<code>${file}</code>`)}</td>
      <td class="n">${count(records)}</td>
      <td>${lost.length === 0 ? '' : lost.map(([code, n]) => `${count(n)} left out: ${code}`).join(', ')}</td>
      <td><code>${hash.slice(0, 12)}</code></td>
    </tr>`
  })
  return html`${facts([
    ...(model === undefined ? [] : [['model', html`<code>${model}</code>`] as const]),
    ...(seed === undefined ? [] : [['seed', seed] as const]),
    ...(report === undefined ? [] : [['design', report.design] as const]),
  ])}
  ${
    rows.length === 0
      ? html`<p>The version that made this run did not write down which files its data came from.</p>`
      : html`<div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Data</th>
                <th scope="col">Files</th>
                <th scope="col" class="n">Records</th>
                <th scope="col">Left out</th>
                <th scope="col">Content</th>
              </tr>
            </thead>
            <tbody>
              ${rows}
            </tbody>
          </table>
        </div>`
  }`
}

/** Keys of `determinedBy` that are no settings: hashes of what a stage was made from, and what has a section of its own. */
const NO_SETTINGS = new Set([
  'code',
  'seed',
  'backend',
  'model',
  'samples',
  'labels',
  'candidates',
  'train',
  'questions',
  'test',
  'reference',
])

/** Every stage's settings as they determined it, with defaults filled in, by dotted path. */
export function settingsOf(determinedBy: Readonly<Record<string, unknown>>): [string, string][] {
  return Object.entries(determinedBy).flatMap(([key, value]) =>
    NO_SETTINGS.has(key) && typeof value !== 'object' ? [] : key === 'code' || key === 'backend' ? [] : flat(key, value),
  )
}

function flat(path: string, value: unknown): [string, string][] {
  if (typeof value !== 'object' || value === null) return [[path, String(value)]]
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return [[path, value.join(', ')]]
  return Object.entries(value).flatMap(([key, inner]) => flat(`${path}.${key}`, inner))
}

/** The configuration, stage by stage, and the versions of the code. */
export function configuration({ stages }: RunRecord): Markup {
  const versions = new Map(
    stages.flatMap(({ found }) => Object.entries((found.determinedBy.code ?? {}) as Readonly<Record<string, unknown>>)),
  )
  const backends = new Map(stages.flatMap(({ found }) => (found.determinedBy.backend ? flat('backend', found.determinedBy.backend) : [])))
  return html`<p>
      What determined each stage, defaults filled in, as <code>done.json</code> has it. Values of secret options are not kept. The folder’s
      name ends in the beginning of the hash over all of it.
    </p>
    ${stages.map(({ found: { name, determinedBy } }) => {
      return html`<details>
        <summary><code>${name}</code></summary>
        ${facts(settingsOf(determinedBy).map(([key, value]) => [key, html`<code>${value}</code>`]))}
      </details>`
    })}
    <h4>Versions</h4>
    ${facts([...versions, ...backends].map(([name, version]) => [name, html`<code>${String(version)}</code>`]))}`
}
