import type { GroupRecord } from '../seams/records'

// Beside the records, not in them: the place of a record in its file must not enter artifacts.
// One for all copies of core in a process: a reader may bring its own.
const shared = globalThis as { [key: symbol]: WeakMap<GroupRecord, string> | undefined }
const origins = (shared[Symbol.for('plumbline:origins')] ??= new WeakMap<GroupRecord, string>())

export function noteOrigin(record: GroupRecord, where: string): void {
  origins.set(record, where)
}

/** `file:line` of a record that a reader of core made, for error messages. */
export function originOf(record: GroupRecord): string | undefined {
  return origins.get(record)
}
