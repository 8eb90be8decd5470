import path from 'node:path'
import { printable, shownPath } from '@plumbline/core/base'
import { namedRuns, type RunsAsked } from '../run/named-runs'
import { collectGarbage, KINDS, type CollectOptions, type Collection } from './gc'
import { sizeOf } from './render'

export interface GcOptions extends RunsAsked, Omit<CollectOptions, 'waits'> {}

/**
 * Every run is looked at before anything is removed from one: a run that is refused leaves all as they are.
 * @throws PlumbError PLUMB_GC_TWO_RUNS, those of `collectGarbage` and of `loadConfig`.
 */
export async function collectAll({ runs, configFile, overrides, ...options }: GcOptions): Promise<readonly Collection[]> {
  const named = await namedRuns({ runs, configFile, overrides }, 'is looked at', 'PLUMB_GC_TWO_RUNS')
  const folders = [...new Map(named.map((run) => [path.resolve(run), run])).values()]
  const found: Collection[] = []
  const waits = options.deletes
  for (const folder of folders) found.push(await collectGarbage(folder, { ...options, waits, deletes: false }))
  if (!options.deletes) return found
  const removed: Collection[] = []
  for (const folder of folders) removed.push(await collectGarbage(folder, { ...options, waits }))
  return removed
}

const TITLES: Readonly<Record<(typeof KINDS)[number], string>> = {
  superseded: 'superseded stages',
  checkpoints: 'checkpoints and unfinished work',
  temporary: 'temporary files',
  reports: 'earlier reports',
}

/** What there is of each kind, and what became of it. */
export function renderCollection({ run, garbage, keptBytes, notes, deleted }: Collection): string {
  const lines = [`${run}:`]
  for (const kind of KINDS) {
    const own = garbage.filter((each) => each.kind === kind)
    if (own.length === 0) continue
    lines.push(`  ${TITLES[kind]}: ${sizeOf(own.reduce((sum, { bytes }) => sum + bytes, 0))}`)
    for (const { path: file, bytes, because } of own) lines.push(`    ${shownPath(file)}  ${sizeOf(bytes)}  ${because}`)
  }
  for (const note of notes) lines.push(`  ${note}`)
  const total = sizeOf(garbage.reduce((sum, { bytes }) => sum + bytes, 0))
  if (garbage.length === 0) lines.push(`  nothing to remove; ${sizeOf(keptBytes)} stay.`)
  else if (deleted) lines.push(`  removed ${total}; ${sizeOf(keptBytes)} stay.`)
  else lines.push(`  ${total} can be removed: plumb gc --delete does it; ${sizeOf(keptBytes)} stay.`)
  return printable(lines.join('\n'))
}
