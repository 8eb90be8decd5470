import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { CLAIMS, claimsOf } from './claims'
import type { JudgedClaim } from './judge'
import { FULL } from './settings'
import { shownComparison, tally, type ClaimResult } from './tables'

/** Claims beside the paper and what came of them here, of every model that has results. */
export function claimsTable(results: readonly ClaimResult[]): string[] {
  const claims = claimsOf(FULL)
  return [
    '| claim | the paper | here | verdict | controls | model, seeds |',
    '|---|---|---|---|---|---|',
    ...CLAIMS.flatMap((name) => {
      const { title, paper } = claims[name]
      const own = results.filter(({ claim }) => claim === name)
      const start = `(${name}) ${title}`
      if (own.length === 0) return [`| ${start} | ${paper} | not run yet | – | – | – |`]
      return own.map((result) => {
        const { judged, model, seeds } = result
        const verdict = `**${judged.verdict}**${tally(judged, 'claim')}`
        const ofControls = judged.ofControls === undefined ? '–' : `${judged.ofControls}${tally(judged, 'control')}`
        return `| ${[start, paper, hereOf(judged), verdict, ofControls, `${model}, ${seeds.length}`].join(' | ')} |`
      })
    }),
  ]
}

function hereOf({ comparisons }: JudgedClaim): string {
  return comparisons.map((each) => `${each.comparison.role === 'control' ? 'control: ' : ''}${shownComparison(each)}`).join('<br>')
}

/** What the stages took that each claim made, shared ones where they were made first. */
export function costTable(folder: string, results: readonly ClaimResult[]): string[] {
  const rows = results.flatMap(({ claim, model, seeds }) => {
    const file = path.join(folder, model, `claim-${claim}.log`)
    if (!existsSync(file)) return []
    const seconds = [...readFileSync(file, 'utf8').matchAll(/, (\d+\.\d) s$/gm)].reduce((sum, [, each]) => sum + Number(each), 0)
    return [
      `| (${claim}) | ${model} | ${seeds.length} | ${(seconds / 60).toFixed(1)} | \`${results.find((each) => each.claim === claim && each.model === model)?.command ?? ''}\` |`,
    ]
  })
  if (rows.length === 0) return ['Not measured yet.']
  return [
    'Minutes of the stages that a claim made itself; what another one had made before it found done. A stage that was interrupted counts from where it went on.',
    '',
    '| claim | model | seeds | minutes | command |',
    '|---|---|---|---|---|',
    ...rows,
  ]
}

export function resultsIn(folder: string): ClaimResult[] {
  if (!existsSync(folder)) return []
  const models = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return models.flatMap(({ name }) =>
    readdirSync(path.join(folder, name))
      .filter((file) => /^claim-[a-i]\.json$/.test(file))
      .sort()
      .map((file) => JSON.parse(readFileSync(path.join(folder, name, file), 'utf8')) as ClaimResult),
  )
}

/** docs/paper.md with both tables, between its marks. */
export function withTables(text: string, home: string): string {
  const folder = path.join(home, 'results')
  const results = resultsIn(folder)
  return between(between(text, 'claims', claimsTable(results)), 'cost', costTable(folder, results))
}

export function writeSummary(home: string): void {
  const file = path.join(home, '..', '..', 'docs', 'paper.md')
  writeFileSync(file, withTables(readFileSync(file, 'utf8'), home))
}

function between(text: string, mark: string, lines: readonly string[]): string {
  const [start, end] = [`<!-- ${mark} -->`, `<!-- end of ${mark} -->`]
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`docs/paper.md has no ${start} … ${end}`)
  return `${text.slice(0, from + start.length)}\n\n${lines.join('\n')}\n\n${text.slice(to)}`
}
