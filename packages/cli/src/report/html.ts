import { stat } from 'node:fs/promises'
import path from 'node:path'
import { loadConfig, PlumbError, shownPath } from '@plumbline/core'

export interface HtmlReportOptions {
  /** Run folders or report files; the configuration's run where there are none. */
  readonly runs: readonly string[]
  readonly configFile?: string
  /** `path.to.key=value`. */
  readonly overrides: readonly string[]
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
export async function writeReport({ runs, configFile, overrides, out, questions }: HtmlReportOptions): Promise<WrittenReport> {
  if (runs.length > 0 && (configFile !== undefined || overrides.length > 0)) {
    const message = 'RUN names what is reported on; --config and --set would name another run. Leave one of them out.'
    throw new PlumbError('PLUMB_REPORT_TWO_RUNS', message)
  }
  const named = runs.length > 0 ? runs : [(await loadConfig({ path: configFile, overrides })).config.run]
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
