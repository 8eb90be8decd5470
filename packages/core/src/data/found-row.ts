import type { JsonObject } from './json'

/** One record of a file, before a format reads it. */
export interface FoundRow {
  /** The file and the line that it starts on, or the number of the row. */
  readonly where: string
  readonly unit: 'line' | 'element' | 'row'
  /** Its number among those, from 1: the line's, or the place in the array or table. */
  readonly place: number
  /** @throws PlumbError for a record that is broken by itself, so that the next one can be read all the same. */
  parse(): JsonObject
  /** Of a table: the names of its columns. All its cells may be texts, then lists and marks are read from them. */
  readonly table?: { readonly columns: readonly string[]; readonly ofTexts: boolean }
}
