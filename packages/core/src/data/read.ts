import type { DataSource } from '../config/schema'
import { shownPath } from '../util/shown-path'
import { PlumbError } from '../errors'
import type { DatasetReader, ReadOptions } from '../seams/dataset'
import { originOf } from './origin'
import type { GroupRecord } from '../seams/records'

/** What the use of a source asks of each of its records. */
export interface RecordNeeds {
  /** A final answer, to label candidates by. */
  readonly answer?: boolean
  /** A reference chain, to train on. */
  readonly reference?: boolean
}

/** A file and what is said of it, whatever its format. */
export interface RecordSource extends ReadOptions, Pick<DataSource, 'path' | 'limit'> {}

/**
 * The records of a source one at a time, at most `limit`.
 * @throws PlumbError PLUMB_DATA_NO_ANSWER, PLUMB_DATA_NO_REFERENCE for the first record that lacks what is needed, and the reader's own;
 *   with `onRefused` these records are passed over.
 */
export async function* streamRecords(
  reader: DatasetReader,
  { path, limit = Infinity, columns, onRefused }: RecordSource,
  needs: RecordNeeds = {},
): AsyncGenerator<GroupRecord> {
  let count = 0
  for await (const record of reader.read(path, { columns, onRefused })) {
    const lacking = lackOf(record, needs, path)
    if (lacking !== undefined) {
      if (onRefused === undefined) throw lacking
      onRefused(lacking)
      continue
    }
    yield record
    if (++count >= limit) break
  }
}

function lackOf(record: GroupRecord, needs: RecordNeeds, path: string): PlumbError | undefined {
  const where = originOf(record) ?? shownPath(path)
  if (needs.answer && record.answer === undefined) {
    return new PlumbError('PLUMB_DATA_NO_ANSWER', `Question "${record.id}" has no answer, and its candidates are labelled by it.`, where)
  }
  if (needs.reference && !record.candidates.some((candidate) => candidate.reference)) {
    return new PlumbError('PLUMB_DATA_NO_REFERENCE', `Question "${record.id}" has no reference chain, and this file is trained on.`, where)
  }
  return undefined
}

/** All of {@link streamRecords}, of a source that is known to be small. */
export async function readRecords(...source: Parameters<typeof streamRecords>): Promise<GroupRecord[]> {
  const records: GroupRecord[] = []
  for await (const record of streamRecords(...source)) records.push(record)
  return records
}
