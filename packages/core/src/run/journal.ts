import { open, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { makeFolder, withPath } from '../util/atomic'
import { shownPath } from '../util/shown-path'
import { damaged, rawLines, recordOf } from './files'
import { jsonOf } from './json'

const FLUSH_AT = 1 << 15
const FLUSH_EVERY_MS = 200

export interface JournalOptions<T> {
  /** How many of the records there to keep, e.g. up to the last checkpoint; all when absent. */
  readonly keep?: number
  /**
   * Keeps only a multiple of this many records: where a stage works in chunks whose members influence each other's last bits, a part
   * of a chunk must be done again with the rest of it.
   */
  readonly multipleOf?: number
  /** Given each kept record in order, instead of collecting them in `records`: so that a journal of any size needs little memory. */
  readonly onRecord?: (record: T, index: number) => void
  /** Told when more than a torn last line had to be cut off, as after a power failure. */
  readonly say?: (message: string) => void
  /** Bytes that are read at once. */
  readonly chunkBytes?: number
}

/**
 * A JSONL file that grows while a stage works and survives being killed: what was appended is read back at the next start, a torn
 * end is cut off.
 */
export class Journal<T> {
  private buffer = ''
  private flushed = performance.now()
  private broken = false

  private constructor(
    private readonly file: string,
    private readonly handle: FileHandle,
    /** The records that were there when it was opened; none with `onRecord`. */
    readonly records: readonly T[],
    /** How many records were there and kept. */
    readonly length: number,
    private readonly ends: readonly number[] | undefined,
  ) {}

  /**
   * @throws PlumbError PLUMB_ARTIFACT_DAMAGED, with file and line, where a record in the middle cannot be read: what lies behind it was
   *   written after it, so this is no torn end.
   */
  static async open<T>(file: string, options: JournalOptions<T> = {}): Promise<Journal<T>> {
    const { keep = Infinity, multipleOf = 1, onRecord, say, chunkBytes } = options
    await makeFolder(path.dirname(file))
    const handle = await open(file, 'a+')
    try {
      const found = await scan(handle, file, chunkBytes)
      const wanted = Math.min(keep, found.ends.length)
      const kept = wanted - (wanted % multipleOf)
      const records: T[] = []
      if (kept > 0) {
        let index = 0
        for await (const { bytes } of rawLines(handle, chunkBytes)) {
          const record = recordOf(bytes) as T
          if (onRecord) onRecord(record, index)
          else records.push(record)
          if (++index === kept) break
        }
      }
      const bytes = found.ends[kept - 1] ?? 0
      if (bytes < (await handle.stat()).size) await handle.truncate(bytes)
      if (found.garbage > 0) {
        const lost = `${found.garbage} bytes at its end are no records, as a power failure or a full disk leaves them`
        say?.(`${shownPath(file)} was damaged: ${lost}. They were cut off, and what they stood for is done again.`)
      }
      return new Journal(file, handle, records, kept, found.ends.slice(0, kept))
    } catch (error) {
      await handle.close()
      throw withPath(error, file)
    }
  }

  /** Goes back to the first `count` of the records that were there when it was opened; before anything is appended. */
  async cut(count: number): Promise<readonly T[]> {
    if (count < this.length) await this.handle.truncate(this.ends?.[count - 1] ?? 0)
    return this.records.slice(0, count)
  }

  /**
   * Soon on disk: at once when much or some time has gathered, else with a later record. What a kill loses is done again.
   * @throws PlumbError PLUMB_NON_FINITE where the record holds NaN or an infinity, which JSON would make null.
   */
  async append(record: T): Promise<void> {
    this.buffer += `${jsonOf(record, this.file)}\n`
    if (this.buffer.length > FLUSH_AT || performance.now() - this.flushed > FLUSH_EVERY_MS) await this.flush()
  }

  /** Everything appended so far is on disk. */
  async sync(): Promise<void> {
    await this.flush()
    await this.handle.sync()
  }

  async close(): Promise<void> {
    try {
      if (!this.broken) await this.sync()
    } finally {
      await this.handle.close()
    }
  }

  private async flush(): Promise<void> {
    const text = this.buffer
    this.buffer = ''
    this.flushed = performance.now()
    if (text === '') return
    try {
      await this.handle.appendFile(text)
    } catch (error) {
      // A part of a record may stand at the end now: whatever followed it would make it a damaged record in the middle.
      this.broken = true
      throw withPath(error, this.file)
    }
  }
}

interface Scan {
  /** Where each record ends, its newline included. */
  readonly ends: number[]
  /** Bytes behind the last record, beyond a line that was merely not finished. */
  readonly garbage: number
}

/** Finds the longest beginning of the file that holds records only. */
async function scan(handle: FileHandle, file: string, chunkBytes: number | undefined): Promise<Scan> {
  const ends: number[] = []
  let firstBad: number | undefined
  let number = 0
  let size = 0
  let torn = false
  for await (const { bytes, offset, ended } of rawLines(handle, chunkBytes)) {
    number++
    size = offset + bytes.length + (ended ? 1 : 0)
    const isRecord = ended && recordOf(bytes) !== undefined
    if (isRecord && firstBad !== undefined) {
      const advice = `What follows was written later, so it is no torn end. Delete ${shownPath(file)} to have this work done again.`
      throw damaged(`${shownPath(file)}:${firstBad}`, `This line of unfinished work is not a record as it was written. ${advice}`)
    }
    if (isRecord) ends.push(size)
    else {
      firstBad ??= number
      // A kill in the middle of a write leaves the beginning of one line and nothing else; JSON text holds no NUL.
      torn = !ended && firstBad === number && !bytes.includes(0)
    }
  }
  return { ends, garbage: torn ? 0 : size - (ends[ends.length - 1] ?? 0) }
}
