import path from 'node:path'
import { PlumbError, shownPath, writeFileAtomic } from '@plumbline/core'
import type { RowGroup } from './figures/over-runs'
import { renderPage } from './page/page'
import { readRun } from './read/run'

export { meanOf, overGroups, overRuns, type ComparedRun, type MeanOfRuns, type RowGroup, type RowOverRuns } from './figures/over-runs'
export { lineageOf, type Lineage, type TestLineage } from './read/lineage'
export { readLog, type RunLog, type StageEntry } from './read/log'
export { stagesOf, type FoundStage } from './read/stages'

export interface ReportOptions {
  /** Run folders, or report files `report-<key>.json` in them. */
  readonly runs: readonly string[]
  /** How many questions are shown in all, those whose answers changed first; 3,000 when absent. */
  readonly questions?: number
  /** What each of several runs is called; the ends of their folders when absent. */
  readonly titles?: readonly string[]
  /** The rows of the means over several runs; every model over all of them when absent. */
  readonly groups?: readonly RowGroup[]
}

/** Questions in a page when nothing else is said: it still opens at once. */
export const SHOWN_QUESTIONS = 3000

/**
 * One self-contained HTML page of a run, or of several side by side. Nothing is run; an unfinished run is shown as far as it is.
 *
 * @throws PlumbError PLUMB_REPORT_NO_RUN, PLUMB_REPORT_RUN_TWICE, PLUMB_ARTIFACT_CHANGED, PLUMB_ARTIFACT_DAMAGED, PLUMB_ARTIFACT_GONE
 */
export async function renderHtmlReport({ runs, questions = SHOWN_QUESTIONS, titles, groups }: ReportOptions): Promise<string> {
  if (runs.length === 0) throw new PlumbError('PLUMB_REPORT_NO_RUN', 'A report is of one run folder or of several; none is named.')
  const absolute = runs.map((run) => path.resolve(run))
  const twice = absolute.find((run, r) => absolute.indexOf(run) < r)
  if (twice !== undefined) throw new PlumbError('PLUMB_REPORT_RUN_TWICE', `${shownPath(twice)} is named twice; a run counts once.`)
  const records = []
  for (const run of runs) records.push(await readRun(run, Math.floor(questions / runs.length)))
  return renderPage(records, { titles, groups })
}

/** {@link renderHtmlReport} as a file, which appears whole or not at all. Resolves to its size in bytes. */
export async function writeHtmlReport(file: string, options: ReportOptions): Promise<number> {
  const page = await renderHtmlReport(options)
  await writeFileAtomic(file, page)
  return Buffer.byteLength(page)
}
