import path from 'node:path'
import { PlumbError, readJson, shownPath } from '@plumbline/core'
import { pageOf, type SweepFile } from './session'

export const SWEEP_FILE = /^sweep-[0-9a-f]{8}\.json$/

/** What a page of a sweep is made from, where the one thing that is named is the file of a sweep. @throws PlumbError PLUMB_ARTIFACT_DAMAGED */
export async function sweepAt([file = '', ...others]: readonly string[]): Promise<ReturnType<typeof pageOf> | undefined> {
  if (others.length > 0 || !SWEEP_FILE.test(path.basename(file))) return undefined
  const sweep = await readSweep(file)
  return sweep && pageOf(sweep, path.dirname(file))
}

/** Undefined where there is no such file. @throws PlumbError PLUMB_ARTIFACT_DAMAGED */
export async function readSweep(file: string): Promise<SweepFile | undefined> {
  const sweep = await readJson<Partial<SweepFile>>(file)
  if (sweep === undefined || (isList(sweep.runs, 'report') && isList(sweep.rows, 'name'))) return sweep as SweepFile | undefined
  const message = 'The file is no summary as "plumb run --sweep" writes it; the same command writes it again.'
  throw new PlumbError('PLUMB_ARTIFACT_DAMAGED', message, shownPath(path.resolve(file)))
}

function isList(value: unknown, key: string): boolean {
  return Array.isArray(value) && value.every((each) => typeof (each as Record<string, unknown> | null)?.[key] === 'string')
}
