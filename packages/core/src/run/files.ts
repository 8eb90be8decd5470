import { open, readFile, type FileHandle } from 'node:fs/promises'
import { PlumbError } from '../errors'
import { writeFileAtomic } from '../util/atomic'
import { shownPath } from '../util/shown-path'
import { jsonOf } from './json'

export { syncFolder, writeFileAtomic } from '../util/atomic'

/**
 * JSON as artifacts have it: two spaces, a final newline.
 * @throws PlumbError PLUMB_NON_FINITE where a number is NaN or infinite, which JSON would make null.
 */
export async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFileAtomic(file, `${jsonOf(value, file, 2)}\n`)
}

/**
 * The parsed file, or undefined where there is none.
 * @throws PlumbError PLUMB_ARTIFACT_DAMAGED where it is not JSON.
 */
export async function readJson<T>(file: string): Promise<T | undefined> {
  const text = await readText(file)
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as T
  } catch (cause) {
    throw damaged(file, `The file is not the JSON that was written; delete it to have its stage done again.`, cause)
  }
}

export async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export function damaged(where: string, message: string, cause?: unknown): PlumbError {
  return new PlumbError('PLUMB_ARTIFACT_DAMAGED', message, where, { cause })
}

/** Bytes that are read at once; tests make it small. */
export const CHUNK_BYTES = 1 << 18

/** A line's bytes without its end, and where it starts in the file. */
export interface RawLine {
  readonly bytes: Buffer
  readonly offset: number
  /** Whether a newline ends it; only the last line of a file may lack one. */
  readonly ended: boolean
}

/** The lines of an open file from its start, one at a time: a file of any size needs the memory of its longest line. */
export async function* rawLines(handle: FileHandle, chunkBytes: number = CHUNK_BYTES): AsyncGenerator<RawLine> {
  let pieces: Buffer[] = []
  let offset = 0
  let position = 0
  for (;;) {
    const buffer = Buffer.allocUnsafe(chunkBytes)
    const { bytesRead } = await handle.read(buffer, 0, chunkBytes, position)
    if (bytesRead === 0) break
    position += bytesRead
    const chunk = buffer.subarray(0, bytesRead)
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      pieces.push(chunk.subarray(from, end))
      const bytes = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)
      yield { bytes, offset, ended: true }
      offset += bytes.length + 1
      pieces = []
      from = end + 1
    }
    if (from < chunk.length) pieces.push(chunk.subarray(from))
  }
  if (pieces.length > 0) yield { bytes: Buffer.concat(pieces), offset, ended: false }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The record that a line holds, or undefined where it is no JSON object in UTF-8. */
export function recordOf(bytes: Uint8Array): object | undefined {
  try {
    const value: unknown = JSON.parse(strictUtf8.decode(bytes))
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * The records of a JSONL artifact that this run store wrote, one at a time, in the memory of the longest one.
 * @throws PlumbError PLUMB_ARTIFACT_DAMAGED with file and line where a line is not what was written.
 */
export async function* streamLines<T>(file: string, chunkBytes?: number): AsyncGenerator<T> {
  const handle = await open(file, 'r')
  try {
    let number = 0
    for await (const { bytes, ended } of rawLines(handle, chunkBytes)) {
      number++
      yield artifactRecord(bytes, ended, file, number) as T
    }
  } finally {
    await handle.close()
  }
}

/** @throws PlumbError PLUMB_ARTIFACT_DAMAGED */
export function artifactRecord(bytes: Uint8Array, ended: boolean, file: string, number: number): unknown {
  const record = ended ? recordOf(bytes) : undefined
  if (record !== undefined) return record
  const what = ended ? 'This line is not a record as it was written' : 'The file ends in the middle of a line'
  throw damaged(`${shownPath(file)}:${number}`, `${what}; the artifact is damaged. Delete its folder to have the stage done again.`)
}

/** All records of an artifact that is known to be small; see {@link streamLines}. */
export async function readLines<T>(file: string): Promise<T[]> {
  const records: T[] = []
  for await (const record of streamLines<T>(file)) records.push(record)
  return records
}
