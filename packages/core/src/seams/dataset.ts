import type { GroupRecord } from './records'

/** Reads one file format into k-ary records. */
export interface DatasetReader {
  /** The `format` it is chosen by, e.g. `gsm8k`. */
  readonly name: string
  /**
   * Records in file order. Ids are the file's own, or stable ones made from its line numbers.
   * @throws PlumbError PLUMB_DATA_… with `file:line` for the first bad record.
   */
  read(path: string): AsyncIterable<GroupRecord>
}
