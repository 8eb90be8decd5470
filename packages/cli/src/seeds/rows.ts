import type { RunReport } from '@plumbline/core'
import type { RowGroup } from '@plumbline/report'
import type { PlannedRun, Setting } from './plan'

export interface FinishedRun extends PlannedRun {
  readonly report: RunReport
  /** The folder of each evaluation, by what the stage calls it: a model, or `model@set`. */
  readonly evaluations: ReadonlyMap<string, string>
}

/**
 * The rows of the closing table: each model under each setting, over the seeds. A model that a swept key has no hand in is the same under all its
 * values, down to the folder of its evaluation; it gets one row, whose title leaves the key out.
 */
export function groupRows(runs: readonly FinishedRun[]): RowGroup[] {
  const names = [...new Set(runs.flatMap(({ report }) => report.rows.map(({ name }) => name)))]
  return names.flatMap((name) => {
    const settings = settingsOf(runs, name)
    const merged = [...new Set(settings.map(({ identity }) => identity))].map((identity) => {
      const same = settings.filter((each) => each.identity === identity)
      return { setting: common(same.map(({ setting }) => setting)), runs: same[0]?.runs ?? [] }
    })
    const groups = merged.map((each) => ({ title: titleOf(name, each.setting), name, runs: each.runs }))
    const areTold = new Set(groups.map(({ title }) => title)).size === groups.length
    return areTold ? groups : settings.map(({ setting, runs: own }) => ({ title: titleOf(name, setting), name, runs: own }))
  })
}

/** The settings under which a model was evaluated, with the runs of each and what it was there. */
function settingsOf(runs: readonly FinishedRun[], name: string) {
  const found = new Map<string, { readonly setting: Setting; readonly runs: number[]; readonly evaluated: unknown[] }>()
  for (const [r, run] of runs.entries()) {
    if (!run.report.rows.some((row) => row.name === name)) continue
    const key = JSON.stringify(run.setting)
    const own = found.get(key) ?? { setting: run.setting, runs: [], evaluated: [] }
    own.runs.push(r)
    // differences are to the control, so it is a part of the row
    own.evaluated.push([evaluationsOf(run, name), run.report.control, evaluationsOf(run, run.report.control)])
    found.set(key, own)
  }
  return [...found.values()].map(({ evaluated, ...rest }) => ({ ...rest, identity: JSON.stringify(evaluated) }))
}

function evaluationsOf({ evaluations }: FinishedRun, name: string): string[] {
  return [...evaluations].flatMap(([title, folder]) => (title === name || title.startsWith(`${name}@`) ? [folder] : [])).sort()
}

function common([first = {}, ...others]: readonly Setting[]): Setting {
  return Object.fromEntries(Object.entries(first).filter(([key, value]) => others.every((other) => other[key] === value)))
}

function titleOf(name: string, setting: Setting): string {
  const chosen = Object.entries(setting).map(([key, value]) => `${key}=${value}`)
  return chosen.length === 0 ? name : `${name} (${chosen.join(', ')})`
}
