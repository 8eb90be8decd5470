import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { lockFolder, lockOn, PlumbError, readJson, shownPath, type ReportContent } from '@plumbline/core'
import { leftoversIn, removeWhole } from '@plumbline/core/base'
import { lineageOf, stagesOf, type FoundStage } from '@plumbline/report'
import { readSweep, SWEEP_FILE } from '../seeds/file'
import { bytesOf, isRun, REPORT_FILE, STAGE_FOLDER } from './find'
import { membersOf, withOrigins } from './lineage'

/** Which comparisons a run folder keeps: every one that it has a report of, or the latest alone. */
export type Keep = 'reports' | 'latest'

export const KINDS = ['superseded', 'checkpoints', 'temporary', 'reports'] as const

export interface Garbage {
  readonly path: string
  /**
   * `superseded`: a finished stage that no kept comparison was made from. `checkpoints`: work of a stage that was not finished, and that none waits for. `temporary`: files of processes
   * that are gone. `reports`: of comparisons that are not kept.
   */
  readonly kind: (typeof KINDS)[number]
  readonly bytes: number
  /** Why nothing refers to it. */
  readonly because: string
}

export interface Collection {
  readonly run: string
  readonly garbage: readonly Garbage[]
  /** What stays. */
  readonly keptBytes: number
  /** What was not looked at, and why. */
  readonly notes: readonly string[]
  readonly deleted: boolean
}

export interface CollectOptions {
  readonly keep: Keep
  /** Else nothing is touched. */
  readonly deletes: boolean
  /** Whether a lock of which nothing is known is watched, as a run does, and taken where it gives no sign of life; else it is refused. */
  readonly waits: boolean
  readonly say?: (message: string) => void
}

/**
 * What nothing refers to any more in a run folder, and, where that is asked for, its removal. What a kept comparison, and whatever was begun since the latest one,
 * was made from stays: a run of any of them goes on with nothing done again.
 *
 * @throws PlumbError PLUMB_GC_NO_RUN, PLUMB_RUN_LOCKED where a process works in it, PLUMB_ARTIFACT_DAMAGED where it cannot be known what a stage is.
 */
export async function collectGarbage(target: string, { keep, deletes, waits, say }: CollectOptions): Promise<Collection> {
  const run = path.resolve(target)
  if (!(await isRun(run))) {
    throw new PlumbError('PLUMB_GC_NO_RUN', 'There is no run here: neither a report.json nor the folder of a stage.', target)
  }
  await refuseLocked(run, waits, say)
  const { garbage, notes } = await garbageOf(run, keep)
  const bytes = garbage.reduce((sum, each) => sum + each.bytes, 0)
  const keptBytes = (await bytesOf(run)) - bytes
  if (deletes) {
    for (const each of garbage) {
      // a run that began meanwhile reads what it likes of the folder
      await refuseLocked(run, false)
      await removeWhole(each.path)
    }
  }
  return { run: shownPath(run), garbage, keptBytes, notes, deleted: deletes }
}

async function garbageOf(run: string, keep: Keep): Promise<Pick<Collection, 'garbage' | 'notes'>> {
  const stages = await stagesOf(run)
  const { kept, dropped, newest } = await reportsOf(run, keep)
  const notes: string[] = []
  const roots = new Set(stages.filter(({ at }) => newest === undefined || at > newest))
  for (const { name, report } of kept) {
    const lineage = lineageOf(report, stages)
    if (lineage === undefined)
      notes.push(`${name} was compared from stages that are not in the folder any more, or cannot be told from others.`)
    else for (const stage of membersOf(lineage)) roots.add(stage)
  }
  const found: Omit<Garbage, 'bytes'>[] = []
  if (notes.length > 0) notes.push('So no stage and no report is removed. Delete such a report to have its stages looked at.')
  else {
    const stay = withOrigins(roots, stages)
    for (const name of dropped) found.push({ path: path.join(run, name), kind: 'reports', because: 'not of the latest comparison' })
    for (const stage of stages) if (!stay.has(stage)) found.push(superseded(stage, keep))
  }
  const goes = new Set(found.map((each) => each.path))
  for (const each of await temporariesOf(run, stages)) {
    if (![...goes].some((above) => each.path.startsWith(above + path.sep))) found.push(each)
  }
  const garbage = []
  for (const each of found) garbage.push({ ...each, bytes: await bytesOf(each.path) })
  return { garbage, notes }
}

function superseded({ folder, manifest }: FoundStage, keep: Keep): Omit<Garbage, 'bytes'> {
  if (manifest === undefined)
    return { path: folder, kind: 'checkpoints', because: 'begun and not finished, and a comparison was finished since' }
  const because = keep === 'latest' ? 'not part of the latest comparison' : 'part of no comparison that has a report'
  return { path: folder, kind: 'superseded', because }
}

interface NamedReport {
  readonly name: string
  readonly report: ReportContent
}

interface Reports {
  readonly kept: readonly NamedReport[]
  /** Names of files that are not kept. */
  readonly dropped: readonly string[]
  /** When the latest one was written. */
  readonly newest: number | undefined
}

async function reportsOf(run: string, keep: Keep): Promise<Reports> {
  const names = (await readdir(run)).sort()
  const latest = await readJson<ReportContent>(path.join(run, 'report.json'))
  if (latest === undefined) {
    // without a latest one there is none to prefer
    const kept = await reportsIn(run, names)
    return { kept, dropped: [], newest: await newestOf(run, kept) }
  }
  const all = await reportsIn(run, names)
  const newest = (await stat(path.join(run, 'report.json'))).mtimeMs
  if (keep === 'reports') return { kept: all, dropped: [], newest }
  const sweeps = new Map<string, readonly string[]>()
  for (const name of names.filter((each) => SWEEP_FILE.test(each))) {
    sweeps.set(
      name,
      ((await readSweep(path.join(run, name)))?.runs ?? []).map(({ report }) => report),
    )
  }
  const own = `report-${latest.key}.json`
  // the runs of a sweep were made to be compared
  const files = new Set(['report.json', own, ...[...sweeps.values()].filter((reports) => reports.includes(own)).flat()])
  const kept = all.filter(({ name }) => files.has(name))
  const staying = [...sweeps].filter(([, reports]) => reports.every((report) => files.has(report))).map(([name]) => name)
  const stems = new Set([...files, ...staying].map((name) => name.replace(/\.json$/, '')))
  const dropped = names.filter((name) => {
    const [, stem] = /^((?:report|sweep)-[0-9a-f]{8})\.(json|md|html)$/.exec(name) ?? []
    return stem !== undefined && !stems.has(stem)
  })
  return { kept, dropped, newest }
}

/** Each comparison once: `report.json` is one of the others under a second name. */
async function reportsIn(run: string, names: readonly string[]): Promise<NamedReport[]> {
  const found = new Map<string, NamedReport>()
  for (const name of names.filter((each) => REPORT_FILE.test(each))) {
    const report = await readJson<ReportContent>(path.join(run, name))
    if (report === undefined) continue
    if (!Array.isArray(report.rows)) {
      const message = 'The file is no report as a run writes it; "plumb run" writes it again.'
      throw new PlumbError('PLUMB_ARTIFACT_DAMAGED', message, shownPath(path.join(run, name)))
    }
    const key = report.key ?? name
    if (!found.has(key) || name !== 'report.json') found.set(key, { name, report })
  }
  return [...found.values()]
}

async function newestOf(run: string, reports: readonly NamedReport[]): Promise<number | undefined> {
  const times = await Promise.all(reports.map(async ({ name }) => (await stat(path.join(run, name))).mtimeMs))
  return times.length === 0 ? undefined : Math.max(...times)
}

/** Left by processes that were killed. */
async function temporariesOf(run: string, stages: readonly FoundStage[]): Promise<Omit<Garbage, 'bytes'>[]> {
  const because = 'left by a process that is gone'
  const found: Omit<Garbage, 'bytes'>[] = []
  const add = (file: string) => found.push({ path: file, kind: 'temporary', because })
  for (const file of await leftoversIn(run)) add(file)
  for (const { folder, manifest } of stages) {
    const work = path.join(folder, 'work')
    const checkpoints = path.join(work, 'checkpoints')
    if (manifest !== undefined && (await isThere(work))) {
      found.push({ path: work, kind: 'checkpoints', because: 'of a stage that is finished' })
      continue
    }
    // no process is at work here: this one has looked at the locks
    for (const place of [folder, work, checkpoints]) for (const file of await leftoversIn(place, { exclusive: true })) add(file)
    if (await isThere(path.join(checkpoints, 'unfinished'))) add(path.join(checkpoints, 'unfinished'))
  }
  for (const { name } of (await readdir(run, { withFileTypes: true })).filter((entry) => entry.isDirectory())) {
    const folder = path.join(run, name)
    if (STAGE_FOLDER.test(name) && !stages.some((stage) => stage.folder === folder)) add(folder)
  }
  return found
}

/** @throws PlumbError PLUMB_RUN_LOCKED */
async function refuseLocked(run: string, waits: boolean, say?: (message: string) => void): Promise<void> {
  for (const { name } of (await readdir(run, { withFileTypes: true })).filter((entry) => entry.isDirectory())) {
    const folder = path.join(run, name)
    const lock = await lockOn(folder)
    if (lock === undefined) continue
    if (!lock.isAlive && waits) {
      const unlock = await lockFolder(folder, say ? { say } : {})
      await unlock()
      continue
    }
    const message = lock.isAlive
      ? `A run, ${lock.by}, works here; wait for it, or stop it.`
      : `A run, ${lock.by}, may work here: from this process it cannot be seen. With --delete it is watched, and its lock taken where it gives no sign of life.`
    throw new PlumbError('PLUMB_RUN_LOCKED', message, shownPath(path.join(folder, '.lock')))
  }
}

async function isThere(target: string): Promise<boolean> {
  return stat(target).then(
    () => true,
    () => false,
  )
}
