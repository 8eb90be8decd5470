import { stat } from 'node:fs/promises'
import path from 'node:path'
import { shownPath } from '@plumbline/core'
import { namedRuns, type RunsAsked } from '../run/named-runs'

/** Runs are run folders or report files. */
export interface HtmlReportOptions extends RunsAsked {
  readonly out?: string
  readonly questions?: number
}

export interface WrittenReport {
  readonly file: string
  readonly bytes: number
  readonly runs: readonly string[]
  readonly sentence: string
}

/**
 * Writes the page.
 * @throws PlumbError those of `writeHtmlReport`, and of `loadConfig` where no run is named.
 */
export async function writeReport({ out, questions, ...asked }: HtmlReportOptions): Promise<WrittenReport> {
  const named = await namedRuns(asked, 'is reported on', 'PLUMB_REPORT_TWO_RUNS')
  const file = path.resolve(out ?? (await besideRun(named)))
  const [{ writeHtmlReport }, { sweepAt }] = await Promise.all([import('@plumbline/report'), import('../seeds/file.js')])
  const { runs: all, ...together } = (await sweepAt(named)) ?? { runs: named }
  const bytes = await writeHtmlReport(file, { runs: all, questions, ...together })
  const size = bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
  const what = all.length === 1 ? shownPath(path.resolve(all[0] ?? '')) : `${all.length} runs`
  return { file, bytes, runs: all, sentence: `The report of ${what} is in ${shownPath(file)} (${size}); open it in a browser.` }
}

/** In the folder of the one run, under the name that its figures have there. */
async function besideRun([only = '', ...others]: readonly string[]): Promise<string> {
  if (others.length > 0) return 'report.html'
  const isFile = await stat(only).then(
    (found) => found.isFile(),
    () => false,
  )
  return isFile ? only.replace(/\.json$/, '.html') : path.join(only, 'report.html')
}
