import path from 'node:path'
import { readText, type Machine, type SourcesEntry } from '@plumbline/core'
import type { FoundStage } from './stages'

/** What the log says of a stage: how long the process took that finished it, and where. */
export interface StageEntry {
  readonly time: string
  readonly stage: string
  readonly variant?: string
  readonly key?: string
  readonly seconds: number
  readonly machine?: Machine
}

export interface RunLog {
  readonly stages: readonly StageEntry[]
  /** The newest last. */
  readonly sources: readonly SourcesEntry[]
}

/** `log.jsonl`, as far as its lines are whole: it is the one file that a killed process may leave a part of a line in. */
export async function readLog(run: string): Promise<RunLog> {
  const stages: StageEntry[] = []
  const sources: SourcesEntry[] = []
  for (const line of ((await readText(path.join(run, 'log.jsonl'))) ?? '').split('\n')) {
    const entry = parsed(line)
    if (typeof entry?.stage === 'string' && typeof entry.seconds === 'number') stages.push(entry as unknown as StageEntry)
    if (Array.isArray(entry?.sources)) sources.push(entry as unknown as SourcesEntry)
  }
  return { stages, sources }
}

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** The last entry of a stage; runs of earlier versions did not write its key down. */
export function entryOf({ stage, variant, key }: FoundStage, { stages }: RunLog): StageEntry | undefined {
  return (
    stages.findLast((each) => each.key === key && each.stage === stage) ??
    stages.findLast((each) => each.key === undefined && each.stage === stage && each.variant === variant)
  )
}
