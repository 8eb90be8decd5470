import { open, rm } from 'node:fs/promises'
import path from 'node:path'
import { readText } from './files'
import { writeFileAtomic } from '../util/atomic'

/**
 * Notes what a run's `log.jsonl` is to say of a stage before the stage is declared finished: killed between the two, the next process finds the note
 * and writes the line ({@link settleLog}).
 */
export async function noteForLog(note: string, entry: object): Promise<void> {
  await writeFileAtomic(note, JSON.stringify({ time: new Date().toISOString(), ...entry }))
}

/** What the data of a stage's key were read from: keys hold what the records are, not where they lay. */
export interface SourcesEntry {
  readonly sources: readonly {
    /** e.g. `data.train`. */
    readonly source: string
    /** As the keys of stages have it. */
    readonly hash: string
    readonly records: number
    /** Relative to the configuration's folder; of files elsewhere the name alone, since no absolute path enters the log. */
    readonly files: readonly string[]
  }[]
  readonly model: string
}

/** Writes into the log what a run reads, once for all runs that read the same. */
export async function logSources(runFolder: string, entry: SourcesEntry): Promise<void> {
  const file = path.join(runFolder, 'log.jsonl')
  const text = JSON.stringify(entry).slice(1)
  const log = (await readText(file)) ?? ''
  if (log.split('\n').some((line) => line.endsWith(text))) return
  await appendLine(file, JSON.stringify({ time: new Date().toISOString(), ...entry }))
}

/** Writes a noted line into the log unless it stands there, and removes the note. */
export async function settleLog(runFolder: string, note: string): Promise<void> {
  const line = await readText(note)
  if (line === undefined) return
  const file = path.join(runFolder, 'log.jsonl')
  const log = (await readText(file)) ?? ''
  if (!log.split('\n').includes(line)) await appendLine(file, line)
  await rm(note, { force: true })
}

/** A line that a killed process did not finish is ended first. */
async function appendLine(file: string, line: string): Promise<void> {
  const handle = await open(file, 'a+')
  try {
    const { size } = await handle.stat()
    const last = Buffer.alloc(1)
    if (size > 0) await handle.read(last, 0, 1, size - 1)
    await handle.writeFile(`${size > 0 && last[0] !== 10 ? '\n' : ''}${line}\n`)
  } finally {
    await handle.close()
  }
}
