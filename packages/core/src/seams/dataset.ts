import type { GroupRecord } from './records'

/** Reads one file format into k-ary records. */
export interface DatasetReader {
  /** The `format` it is chosen by, e.g. `gsm8k`. */
  readonly name: string
  /** The fields of a record that it reads, where `read` takes options: without them a source can have neither `columns` nor `onInvalid`. */
  readonly fields?: readonly string[]
  /**
   * Records in file order. Ids are the file's own, or stable ones made from its line numbers.
   * @throws PlumbError PLUMB_DATA_… with `file:line` for the first bad record.
   */
  read(path: string, options?: ReadOptions): AsyncIterable<GroupRecord>
}

/** What a source says of its file, whatever the format. */
export interface ReadOptions {
  /** A field of the format → the column (or key) of the file that holds it. */
  readonly columns?: Readonly<Record<string, string>>
  /** Gets the error of each record that is refused, which is then passed over; without it the error is thrown. */
  readonly onRefused?: (error: Error) => void
}
