import type { Spool, Spools } from '../run/spool'
import type { GroupRecord } from '../seams/records'
import type { Sequence } from '../util/sequence'
import { noteOrigin, originOf } from './origin'

interface Stored {
  readonly record: GroupRecord
  /** `file:line`, see `originOf`. */
  readonly where?: string
}

/** Records on disk, as they were read, and each with its place in the data file. */
export class StoredRecords implements Sequence<GroupRecord> {
  private readonly spool: Spool<Stored>

  /** @param title of what they are, for errors */
  constructor(spools: Spools, title: string) {
    this.spool = spools.create<Stored>(title)
  }

  get length(): number {
    return this.spool.length
  }

  /** @throws PlumbError PLUMB_NON_FINITE */
  add(record: GroupRecord): void {
    this.spool.add({ record, where: originOf(record) })
  }

  at(index: number): GroupRecord | undefined {
    const stored = this.spool.at(index)
    return stored && placed(stored)
  }

  *[Symbol.iterator](): Generator<GroupRecord> {
    for (const stored of this.spool) yield placed(stored)
  }
}

function placed({ record, where }: Stored): GroupRecord {
  if (where !== undefined) noteOrigin(record, where)
  return record
}
