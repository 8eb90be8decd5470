import path from 'node:path'
import type { Config as OclifConfig } from '@oclif/core'
import { checkConfig, hashJson, isPlumbError, PlumbError, writeJson, type RunReport } from '@plumbline/core'
import { overGroups, writeHtmlReport, type RowGroup, type RowOverRuns } from '@plumbline/report'
import { loadAllPlugins, type LoadedPlugins } from '../run/plugins'
import type { Plan, Setting } from './plan'
import { groupRows, type FinishedRun } from './rows'

/** A model under a setting, over the runs that share it. `name` is the model's, `title` says the setting too. */
export type SweepRow = Omit<RowOverRuns, 'runs'> & RowGroup

/** What several runs say together. */
export interface SweepReport {
  /** The run folder of all of them. */
  readonly run: string
  /** Identifies what was compared; absent where the runs ended before the evaluation. */
  readonly key?: string
  /** The row that differences are against; several where the runs have different ones. */
  readonly controls: readonly string[]
  readonly seeds: readonly number[]
  readonly sweep: Readonly<Record<string, readonly string[]>>
  readonly runs: readonly { readonly title: string; readonly seed?: number; readonly setting: Setting; readonly report: RunReport }[]
  readonly rows: readonly SweepRow[]
  readonly notices: readonly string[]
  /** `sweep-<key>.json` and `sweep-<key>.html` in the run folder. */
  readonly summary?: string
  readonly page?: string
  readonly seconds: number
}

/** `sweep-<key>.json`: which reports were compared and what came of it, without times and places. */
export interface SweepFile {
  readonly key: string
  readonly controls: readonly string[]
  readonly seeds: readonly number[]
  readonly sweep: Readonly<Record<string, readonly string[]>>
  /** `report` is a file in the same folder. */
  readonly runs: readonly { readonly title: string; readonly seed?: number; readonly setting: Setting; readonly report: string }[]
  readonly rows: readonly SweepRow[]
}

/**
 * Checks the configuration of every run before the first one begins: a key that does not exist, or an option that a loss does not take, is said at once.
 * @throws PlumbError those of `checkConfig`, at the place on the command line where the value stands.
 */
export async function checkPlan(plan: Plan, { configFile, oclif }: { configFile?: string; oclif: OclifConfig }): Promise<void> {
  // The same plugins for all of them, unless a swept value names others.
  const loaded = new Map<string, Promise<LoadedPlugins>>()
  const registry = async (listed: readonly string[], folder: string) => {
    const key = JSON.stringify([folder, listed])
    const plugins = loaded.get(key) ?? loadAllPlugins(listed, folder, oclif)
    loaded.set(key, plugins)
    return (await plugins).registry
  }
  for (const { overrides, setting, seed } of plan.runs) {
    try {
      await checkConfig({ path: configFile, overrides, registry })
    } catch (error) {
      if (!isPlumbError(error)) throw error
      const given = plan.sweeps.map(({ key, text }) => [`--set ${key}=${setting[key]}`, `--sweep ${text}`] as const)
      const places = [...given, ...(seed === undefined ? [] : [[`--set seed=${seed}`, '--seeds'] as const])]
      const placed = (text: string) => places.reduce((whole, [set, written]) => whole.replaceAll(set, () => written), text)
      throw new PlumbError(error.code, placed(error.message), error.where && placed(error.where), { cause: error })
    }
  }
}

/** The table over all runs; in the run folder a summary and one page of them all. */
export async function summarize(plan: Plan, runs: readonly FinishedRun[], seconds: number): Promise<SweepReport> {
  const groups = groupRows(runs)
  const means = overGroups(runs, groups)
  const rows = groups.map((group, g): SweepRow => ({ ...means[g], ...group }))
  const run = runs[0]?.report.run ?? ''
  const report = {
    run,
    controls: [...new Set(runs.map((each) => each.report.control))],
    seeds: plan.seeds,
    sweep: Object.fromEntries(plan.sweeps.map(({ key, values }) => [key, values])),
    runs: runs.map(({ title, seed, setting, report: own }) => ({ title, seed, setting, report: own })),
    rows,
    notices: [...sameRuns(runs), ...new Set(runs.flatMap(({ report: { notices } }) => notices))],
    seconds,
  }
  if (rows.length === 0) return report
  const { controls, seeds, sweep } = report
  const reports = runs.map(({ title, seed, setting, report: { key } }) => ({ title, seed, setting, report: `report-${key}.json` }))
  const key = hashJson({ runs: reports.map(({ title, report: file }) => [title, file]) }).slice(0, 8)
  const file: SweepFile = { key, controls, seeds, sweep, runs: reports, rows }
  const summary = path.join(run, `sweep-${key}.json`)
  await writeJson(summary, file)
  const page = path.join(run, `sweep-${key}.html`)
  await writeHtmlReport(page, pageOf(file, run))
  return { ...report, key, summary, page }
}

/** What a page of the runs is made from. Two combinations that are one and the same run are shown once. */
export function pageOf({ runs, rows }: SweepFile, folder: string) {
  const files = [...new Set(runs.map(({ report }) => report))]
  const titles = files.map((file) =>
    runs
      .filter(({ report }) => report === file)
      .map(({ title }) => title)
      .join(' = '),
  )
  const place = (r: number) => files.indexOf(runs[r]?.report ?? '')
  const groups = rows.map(({ title, name, runs: own }): RowGroup => ({ title, name, runs: [...new Set(own.map(place))] }))
  return { runs: files.map((file) => path.join(folder, file)), titles, groups }
}

function sameRuns(runs: readonly FinishedRun[]): string[] {
  return runs.flatMap(({ title, report: { key } }, r) => {
    const first = runs.findIndex((other) => other.report.key === key)
    if (key === undefined || first === r) return []
    return [`"${runs[first]?.title}" and "${title}" are one and the same run: what differs between them changes no result.`]
  })
}
