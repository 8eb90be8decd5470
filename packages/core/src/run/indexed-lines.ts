import { readSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { artifactRecord, rawLines } from './files'

export interface IndexedLinesOptions {
  /** Bytes that are read at once. */
  readonly chunkBytes?: number
}

/**
 * A JSONL artifact of any size with access to any of its records: in memory is where each line starts (8 bytes a line), and the record
 * that is asked for. The file must not change while it is open.
 */
export class IndexedLines<T> {
  private constructor(
    private readonly file: string,
    private readonly handle: FileHandle,
    /** Where each line starts; one more than there are lines. */
    private readonly offsets: Float64Array,
  ) {}

  /** @throws PlumbError PLUMB_ARTIFACT_DAMAGED with file and line where the file ends in the middle of a line. */
  static async open<T>(file: string, { chunkBytes }: IndexedLinesOptions = {}): Promise<IndexedLines<T>> {
    const handle = await open(file, 'r')
    try {
      let offsets = new Float64Array(1 << 10)
      let count = 0
      for await (const { bytes, offset, ended } of rawLines(handle, chunkBytes)) {
        if (!ended) artifactRecord(bytes, ended, file, count + 1)
        if (++count === offsets.length) {
          const grown = new Float64Array(2 * offsets.length)
          grown.set(offsets)
          offsets = grown
        }
        offsets[count] = offset + bytes.length + 1
      }
      return new IndexedLines<T>(file, handle, offsets.slice(0, count + 1))
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  get length(): number {
    return this.offsets.length - 1
  }

  /**
   * Record `index`, from 0.
   * @throws RangeError outside of the file; PlumbError PLUMB_ARTIFACT_DAMAGED with file and line.
   */
  async get(index: number): Promise<T> {
    const [start, bytes] = this.place(index)
    return artifactRecord(bytes, (await this.fill(bytes, start)) === bytes.length, this.file, index + 1) as T
  }

  /** {@link get} for those who cannot wait, as a training step. */
  getSync(index: number): T {
    const [start, bytes] = this.place(index)
    let filled = 0
    while (filled < bytes.length) {
      const bytesRead = readSync(this.handle.fd, bytes, filled, bytes.length - filled, start + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return artifactRecord(bytes, filled === bytes.length, this.file, index + 1) as T
  }

  /** Records `from` up to, not including, `to`, which are read at once. */
  async range(from: number, to: number): Promise<T[]> {
    const end = Math.min(to, this.length)
    if (from >= end) return []
    const start = this.offsets[from] ?? 0
    const bytes = Buffer.allocUnsafe((this.offsets[end] ?? 0) - start)
    const filled = await this.fill(bytes, start)
    return Array.from({ length: end - from }, (_, n) => {
      const [first, last] = [(this.offsets[from + n] ?? 0) - start, (this.offsets[from + n + 1] ?? 0) - start]
      return artifactRecord(bytes.subarray(first, last - 1), last <= filled, this.file, from + n + 1) as T
    })
  }

  /** All records in order, without random access's reads of their own. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    let number = 0
    for await (const { bytes, ended } of rawLines(this.handle)) yield artifactRecord(bytes, ended, this.file, ++number) as T
  }

  async close(): Promise<void> {
    await this.handle.close()
  }

  /** Reads from `start` on. Resolves to how many bytes there were. */
  private async fill(bytes: Buffer, start: number): Promise<number> {
    let filled = 0
    while (filled < bytes.length) {
      const { bytesRead } = await this.handle.read(bytes, filled, bytes.length - filled, start + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return filled
  }

  private place(index: number): [number, Buffer] {
    const [start, end] = [this.offsets[index], this.offsets[index + 1]]
    if (start === undefined || end === undefined) throw new RangeError(`There is no line ${index} of ${this.length}.`)
    return [start, Buffer.allocUnsafe(end - start - 1)]
  }
}
