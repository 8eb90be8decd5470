import { readdirSync, readFileSync } from 'node:fs'

/** A process as /proc has it. */
export interface Process {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

export function processOf(pid: number | string): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { pid: Number(pid), parent: Number(parent), command: readFileSync(`/proc/${pid}/cmdline`, 'utf8') }
  } catch {
    return undefined // it ended while it was looked at
  }
}

function allProcesses(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => processOf(name) ?? [])
}

/** The Python processes of this engine below a process, at any depth. */
export function pythonBelow(pid: number): Process[] {
  const all = allProcesses()
  const below = new Set([pid])
  for (let size = 0; size < below.size;) {
    size = below.size
    for (const each of all) if (below.has(each.parent)) below.add(each.pid)
  }
  return all.filter((each) => each.pid !== pid && below.has(each.pid) && each.command.includes('plumbline_torch'))
}

/** The process of a rank that torchrun started below a process. */
export function rankBelow(pid: number, rank: number): number | undefined {
  return pythonBelow(pid).find(
    ({ pid: own, command }) => !command.includes('torch.distributed') && environmentOf(own).includes(`RANK=${rank}`),
  )?.pid
}

function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  } catch {
    return []
  }
}
