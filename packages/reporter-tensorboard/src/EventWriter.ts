import { mkdir, open, readdir, readFile, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { decodeEvent, encodeEvent, versionEvent, type ScalarEvent } from './event'
import { frame, recordsOf } from './records'

const NAME = 'events.out.tfevents'
const FLUSH_BYTES = 1 << 14
const FLUSH_MS = 2_000

/**
 * Scalars of one run of TensorBoard, which is a folder of event files. Each process writes a file of its own, as TensorBoard's own writers do; a
 * scalar whose step is already there, in whatever file, is not written again.
 */
export class EventWriter {
  private handle: FileHandle | undefined
  private buffer: Buffer[] = []
  private size = 0
  private flushedAt = 0

  private constructor(
    private readonly folder: string,
    /** Tag → its last step. */
    private readonly last: Map<string, number>,
  ) {}

  /** Reads what is there; the file is made with the first scalar. */
  static async open(folder: string): Promise<EventWriter> {
    const last = new Map<string, number>()
    const names = await readdir(folder).catch((): string[] => [])
    for (const name of names.filter((each) => each.startsWith(NAME)).sort()) {
      for (const record of recordsOf(await readFile(path.join(folder, name)))) {
        const { step, scalars } = decodeEvent(record)
        for (const tag of Object.keys(scalars)) last.set(tag, Math.max(step, last.get(tag) ?? -1))
      }
    }
    return new EventWriter(folder, last)
  }

  async add({ wallTime, step, scalars }: ScalarEvent): Promise<void> {
    const fresh = Object.entries(scalars).filter(([tag, value]) => Number.isFinite(value) && step > (this.last.get(tag) ?? -1))
    if (fresh.length === 0) return
    for (const [tag] of fresh) this.last.set(tag, step)
    if (this.handle === undefined) await this.create(wallTime)
    this.push(frame(encodeEvent({ wallTime, step, scalars: Object.fromEntries(fresh) })))
    // Often enough to be looked at while it goes on.
    if (this.size >= FLUSH_BYTES || Date.now() - this.flushedAt >= FLUSH_MS) await this.flush()
  }

  async flush(): Promise<void> {
    this.flushedAt = Date.now()
    if (this.handle === undefined || this.size === 0) return
    const bytes = Buffer.concat(this.buffer)
    this.buffer = []
    this.size = 0
    await this.handle.appendFile(bytes)
  }

  async close(): Promise<void> {
    await this.flush()
    await this.handle?.close()
    this.handle = undefined
  }

  private push(record: Buffer): void {
    this.buffer.push(record)
    this.size += record.length
  }

  /** TensorBoard reads the files of a folder in the order of their names, and does not come back to an earlier one. */
  private async create(wallTime: number): Promise<void> {
    await mkdir(this.folder, { recursive: true })
    const names = await readdir(this.folder)
    const second = String(Math.floor(wallTime)).padStart(10, '0')
    for (let n = 0; this.handle === undefined; n++) {
      const name = [NAME, second, 'plumbline', String(process.pid), String(n)].join('.')
      // A clock that was set back must not put a file before one that is there.
      const latest =
        names
          .filter((each) => each.startsWith(NAME))
          .sort()
          .at(-1) ?? ''
      const chosen = name > latest ? name : `${latest}.next`
      this.handle = await open(path.join(this.folder, chosen), 'ax').catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
        throw error
      })
    }
    this.push(frame(versionEvent(wallTime)))
  }
}
