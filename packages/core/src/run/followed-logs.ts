import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { isOwn, livenessOf, type ProcessIdentity } from '../util/process-identity'

/** `alive`: its process works; `ended`: it has ended and said so, or is known to be gone; `unknown`: its process cannot be seen from here. */
export type LogState = 'alive' | 'ended' | 'unknown'

export interface FollowedLog {
  /** Absolute. */
  readonly file: string
  readonly state: LogState
}

/** Where the processes of a run write down what they tell, each into a file of its own. */
export const EVENTS_FOLDER = 'events'

/** There while the process of a log lives. */
export const aliveFile = (log: string): string => log.replace(/\.jsonl$/, '.alive')

/** What cannot be seen from here and has given no sign of life for that long is of no process any more. */
const LONG_MS = 24 * 60 * 60 * 1000

/** The logs of events in a run folder, the newest last; none where there is no such folder. */
export function followedLogs(run: string): FollowedLog[] {
  const folder = path.join(run, EVENTS_FOLDER)
  const names = attempt(() => readdirSync(folder)) ?? []
  return names
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
    .map((name) => {
      const file = path.join(folder, name)
      return { file, state: stateOf(file) }
    })
}

export function stateOf(log: string): LogState {
  const text = attempt(() => readFileSync(aliveFile(log), 'utf8'))
  if (text === undefined) return 'ended'
  const process = attempt(() => JSON.parse(text) as ProcessIdentity)
  if (process === undefined) return 'unknown'
  if (isOwn(process) === true) return 'alive'
  const liveness = livenessOf(process)
  return liveness === 'gone' ? 'ended' : liveness
}

/** Changes with each sign of life. */
export function signOf(log: string): string {
  const found = attempt(() => statSync(aliveFile(log), { bigint: true }))
  return found === undefined ? '' : `${found.mtimeNs} ${found.ino}`
}

/** Removes the logs of processes that have ended. */
export function removeEndedLogs(run: string): void {
  for (const { file, state } of followedLogs(run)) {
    const beat = attempt(() => statSync(aliveFile(file)).mtimeMs) ?? 0
    if (state === 'alive' || (state === 'unknown' && Date.now() - beat < LONG_MS)) continue
    for (const each of [file, aliveFile(file)]) attempt(() => rmSync(each, { force: true }))
  }
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
