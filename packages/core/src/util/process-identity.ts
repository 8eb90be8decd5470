import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { createHash } from 'node:crypto'

/** Which process something belongs to, so that later, or elsewhere, it can be asked whether that process still lives. */
export interface ProcessIdentity {
  readonly pid: number
  /** The host's name, for people to read. */
  readonly host: string
  /**
   * What process ids count in: this start of the system and, on Linux, this pid namespace. Two containers of one host have the same
   * boot id and often the same host name, yet the ids of one say nothing in the other.
   */
  readonly system: string
  /** When the process started, in clock ticks since the system did: process ids are reused, the pair is not. Linux only. */
  readonly start?: string
}

/** `unknown`: the process is of another machine, container or start of the system, of which nothing can be known from here. */
export type Liveness = 'alive' | 'gone' | 'unknown'

/** This process. */
export function ownIdentity(): ProcessIdentity {
  const start = processState(process.pid)?.start
  return { pid: process.pid, host: hostname(), system: systemId(), ...(start === undefined ? {} : { start }) }
}

export function livenessOf({ pid, host, system, start }: ProcessIdentity): Liveness {
  if (system !== systemId() || host === '' || !Number.isSafeInteger(pid) || pid <= 0) return 'unknown'
  if (start !== undefined) {
    const state = processState(pid)
    // A zombie runs no more: it waits for a parent that may never ask (the first process of many containers).
    if (state !== undefined) return state.start === start && !state.dead ? 'alive' : 'gone'
  } else if (host !== hostname()) return 'unknown'
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'gone'
  }
  // Something has this id. Without its start time (not Linux, or /proc hides others' processes) it may be another program.
  return 'unknown'
}

/** Whether this is the very process that asks; undefined where ids may have been reused. */
export function isOwn({ pid, system, start }: ProcessIdentity): boolean | undefined {
  const own = ownIdentity()
  if (pid !== own.pid || system !== own.system) return false
  return start === undefined || own.start === undefined ? undefined : start === own.start
}

let system: string | undefined

function systemId(): string {
  system ??= readSystemId()
  return system
}

function readSystemId(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const namespace = readlinkSync('/proc/self/ns/pid')
    return createHash('sha256').update(`${boot} ${namespace}`).digest('hex').slice(0, 16)
  } catch {
    // Other systems have no namespaces of process ids: there the host's name tells enough, to be compared by the caller.
    return process.platform
  }
}

/** Fields 3 and 22 of /proc/<pid>/stat (proc(5)); the name before them may hold spaces and parentheses. */
function processState(pid: number): { readonly start: string; readonly dead: boolean } | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state] = fields
  const start = fields[19]
  return start === undefined || state === undefined ? undefined : { start, dead: state === 'Z' || state === 'X' || state === 'x' }
}
