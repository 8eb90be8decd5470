import { stat } from 'node:fs/promises'
import path from 'node:path'
import { isOfFurtherRound, isPlumbError, lockOn, readJson, shownPath, STAGES, type ReportContent } from '@plumbline/core'
import { readLog, stagesOf, type FoundStage } from '@plumbline/report'
import { UserError } from '../errors/user-error'
import { bytesOf, findRuns } from './find'

/** A lock whose process cannot be seen from here, and that was silent for longer, is one of a process that is gone. */
const SILENT_MS = 60_000

export interface ListedRun {
  /** As paths are shown: relative where it can be. */
  readonly run: string
  /** When something last happened in it, ISO 8601. */
  readonly when: string
  /**
   * `done`: it has a report, and nothing was begun since. `interrupted`: a stage was begun and not finished. `partial`: every stage that was begun is finished, and there is
   * no report yet, as after `--stage label`. `damaged`: a file in it is not as it was written.
   */
  readonly state: 'done' | 'running' | 'interrupted' | 'partial' | 'damaged'
  /** How many finished stages of each kind it holds, those of earlier settings too. */
  readonly stages: Readonly<Record<string, number>>
  /** The model that it starts from. */
  readonly model?: string
  readonly seeds: readonly number[]
  /** The best row of the latest report, by its accuracy, or its assessment accuracy where there is none. */
  readonly best?: { readonly name: string; readonly figure: 'accuracy' | 'assessmentAccuracy'; readonly value: number }
  readonly bytes: number
  /** What is damaged. */
  readonly problem?: string
}

/**
 * Every run at or below a folder, the newest first.
 * @throws UserError PLUMB_RUNS_NO_FOLDER
 */
export async function listRuns(folder: string): Promise<readonly ListedRun[]> {
  const absolute = path.resolve(folder)
  const found = await stat(absolute).catch(() => undefined)
  if (!found?.isDirectory()) {
    throw new UserError('PLUMB_RUNS_NO_FOLDER', found ? 'Expected a folder, but this is none.' : 'There is no such folder.', folder)
  }
  const runs: ListedRun[] = []
  for (const run of await findRuns(absolute)) runs.push(await listed(run))
  return runs.sort((a, b) => (a.when < b.when ? 1 : a.when > b.when ? -1 : 0))
}

async function listed(folder: string): Promise<ListedRun> {
  const bytes = await bytesOf(folder)
  const reported = await stat(path.join(folder, 'report.json')).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  )
  const written = reported ?? (await stat(folder)).mtimeMs
  try {
    const stages = await stagesOf(folder)
    const report = await readJson<ReportContent>(path.join(folder, 'report.json'))
    const { sources } = await readLog(folder)
    const model = sources.at(-1)?.model
    // Further rounds draw by seeds that follow from the run's.
    const own = stages.filter(({ variant }) => variant === undefined || !isOfFurtherRound(variant))
    const seeds = own.map(({ determinedBy: { seed } }) => seed).filter((seed) => typeof seed === 'number')
    const best = report && bestOf(report)
    return {
      run: shownPath(folder),
      when: new Date(Math.max(written, ...stages.map(({ at }) => at))).toISOString(),
      state: await stateOf(stages, reported),
      stages: countsOf(stages),
      ...(model === undefined ? {} : { model }),
      seeds: [...new Set(seeds)].sort((a, b) => a - b),
      ...(best === undefined ? {} : { best }),
      bytes,
    }
  } catch (error) {
    if (!isPlumbError(error)) throw error
    const problem = [error.where, error.message].filter(Boolean).join('  ')
    return { run: shownPath(folder), when: new Date(written).toISOString(), state: 'damaged', stages: {}, seeds: [], bytes, problem }
  }
}

async function stateOf(stages: readonly FoundStage[], reported: number | undefined): Promise<ListedRun['state']> {
  for (const { folder } of stages) {
    const lock = await lockOn(folder)
    if (lock !== undefined && (lock.isAlive || Date.now() - lock.at < SILENT_MS)) return 'running'
  }
  if (stages.some(({ manifest, at }) => manifest === undefined && at > (reported ?? 0))) return 'interrupted'
  return reported === undefined ? 'partial' : 'done'
}

function countsOf(stages: readonly FoundStage[]): Record<string, number> {
  const done = stages.filter(({ manifest }) => manifest !== undefined)
  return Object.fromEntries(
    STAGES.flatMap((name) => {
      const count = done.filter(({ stage }) => stage === name).length
      return count === 0 ? [] : [[name, count] as const]
    }),
  )
}

function bestOf({ rows }: ReportContent): ListedRun['best'] {
  for (const figure of ['accuracy', 'assessmentAccuracy'] as const) {
    const measured = rows.flatMap((row) => (row[figure] === undefined ? [] : [{ name: row.name, figure, value: row[figure] }]))
    const [first, ...others] = measured
    if (first) return others.reduce((best, row) => (row.value > best.value ? row : best), first)
  }
  return undefined
}
