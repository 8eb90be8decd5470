import { closeSync, readSync, writeSync } from 'node:fs'
import { namelessFile, withPath } from '../util/atomic'
import { NumberList, type Sequence } from '../util/sequence'
import { jsonOf } from './json'

const FLUSH_AT = 1 << 16
/** Bytes that an iteration reads at once, where a value is not longer. */
const CHUNK_BYTES = 1 << 18

/**
 * Values of a process that need not be in memory: on disk as JSON, in memory 8 bytes each. The file has no name, so nothing is left of it
 * when the process ends, however that comes about. Reads are synchronous: a training step cannot wait.
 */
export class Spool<T extends object> implements Sequence<T> {
  private readonly ends = new NumberList(Float64Array)
  private buffer: string[] = []
  private buffered = 0
  private written = 0
  private size = 0

  constructor(
    private readonly fd: number,
    /** Of what it is, for errors. */
    private readonly file: string,
  ) {}

  get length(): number {
    return this.ends.length
  }

  /** @throws PlumbError PLUMB_NON_FINITE where the value holds NaN or an infinity, which JSON would make null. */
  add(value: T): void {
    const text = jsonOf(value, this.file)
    this.buffer.push(text)
    this.size += Buffer.byteLength(text)
    this.ends.push(this.size)
    this.buffered += text.length
    if (this.buffered >= FLUSH_AT) this.flush()
  }

  at(index: number): T | undefined {
    const end = this.ends.at(index)
    if (end === undefined) return undefined
    const start = this.startOf(index)
    return parsed(this.read(start, end)) as T
  }

  *[Symbol.iterator](): Generator<T> {
    for (let from = 0; from < this.length;) {
      const start = this.startOf(from)
      let to = from + 1
      while (to < this.length && (this.ends.at(to) ?? 0) - start <= CHUNK_BYTES) to++
      const bytes = this.read(start, this.ends.at(to - 1) ?? 0)
      for (; from < to; from++) yield parsed(bytes.subarray(this.startOf(from) - start, (this.ends.at(from) ?? 0) - start)) as T
    }
  }

  close(): void {
    closeSync(this.fd)
  }

  private startOf(index: number): number {
    return index === 0 ? 0 : (this.ends.at(index - 1) ?? 0)
  }

  private read(start: number, end: number): Buffer {
    if (end > this.written) this.flush()
    const bytes = Buffer.allocUnsafe(end - start)
    for (let filled = 0; filled < bytes.length;) {
      const read = readSync(this.fd, bytes, filled, bytes.length - filled, start + filled)
      if (read === 0) throw new Error(`the temporary file of ${this.file} is shorter than what was written`)
      filled += read
    }
    return bytes
  }

  private flush(): void {
    const bytes = Buffer.from(this.buffer.join(''))
    this.buffer = []
    this.buffered = 0
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(this.fd, bytes, done, bytes.length - done, this.written + done)
    } catch (error) {
      throw withPath(error, this.file)
    }
    this.written += bytes.length
  }
}

function parsed(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString('utf8'))
}

/** The spools of one piece of work, which closes them together. */
export class Spools {
  private readonly open: Pick<Spool<object>, 'close'>[] = []

  constructor(private readonly folder: string) {}

  /** @param name of what it is, for errors */
  create<T extends object>(name: string): Spool<T> {
    const spool = new Spool<T>(namelessFile(this.folder, 'spool'), name)
    this.open.push(spool)
    return spool
  }

  close(): void {
    for (const spool of this.open.splice(0)) spool.close()
  }
}
