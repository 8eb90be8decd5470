import { streamLines } from './files'
import { Journal } from './journal'

/**
 * The journal of a stage that works through its questions in windows of a fixed size, one after the other: records come in any order
 * within a window, and no window begins before the one before it is whole. So what an earlier process left is read in step with the
 * windows, and never all at once.
 */
export class WindowJournal<T> {
  /** The first record that did not belong to the window that was taken. */
  private ahead: T | undefined

  private constructor(
    private readonly journal: Journal<T>,
    private readonly earlier: AsyncGenerator<T>,
  ) {}

  static async open<T>(file: string, say: (message: string) => void): Promise<WindowJournal<T>> {
    const journal = await Journal.open<T>(file, { onRecord: () => undefined, say })
    return new WindowJournal(journal, first(journal.length, streamLines<T>(file)))
  }

  /** Records that were there when it was opened. */
  get length(): number {
    return this.journal.length
  }

  /** The records of the next window that an earlier process left: those up to the first that is none of it. */
  async take(isOfWindow: (record: T) => boolean): Promise<T[]> {
    const records: T[] = []
    for (;;) {
      const record = this.ahead ?? (await this.next())
      this.ahead = record
      if (record === undefined || !isOfWindow(record)) return records
      this.ahead = undefined
      records.push(record)
    }
  }

  async append(record: T): Promise<void> {
    await this.journal.append(record)
  }

  async close(): Promise<void> {
    await this.earlier.return(undefined)
    await this.journal.close()
  }

  private async next(): Promise<T | undefined> {
    const step: IteratorResult<T, unknown> = await this.earlier.next()
    return step.done ? undefined : step.value
  }
}

async function* first<T>(count: number, records: AsyncIterable<T>): AsyncGenerator<T> {
  if (count === 0) return
  let left = count
  for await (const record of records) {
    yield record
    if (--left === 0) return
  }
}
