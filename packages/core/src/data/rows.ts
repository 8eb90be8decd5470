import path from 'node:path'
import { isPlumbError, PlumbError } from '../errors'
import type { DatasetReader, ReadOptions } from '../seams/dataset'
import type { GroupRecord } from '../seams/records'
import { KeyTable } from '../util/key-table'
import { shownPath } from '../util/shown-path'
import { valuesOfCells } from './cells'
import { refuseColumns, type Columns } from './columns'
import type { FoundRow } from './found-row'
import { readRows } from './found-rows'
import { parseObject } from './json'
import { readLines } from './lines'
import { noteOrigin } from './origin'
import { Renaming } from './renamed'
import { Row } from './row'
import { templateArgumentsOf } from './template-arguments'

export { Row } from './row'

/** A record before it has its id. */
export type Draft = Omit<GroupRecord, 'id'> & { readonly id?: string | undefined }

/**
 * A reader of files of objects: JSON, one a line or in one array, a table with a header (`.csv`, `.tsv`), or Parquet. With `columns`, those
 * that it leaves out are refused.
 */
export function jsonLinesReader(name: string, draft: (row: Row) => Draft, columns?: Columns): DatasetReader {
  return {
    name,
    fields: columns?.fields,
    async *read(file, options = {}) {
      const ids = new Ids(file)
      for await (const { row, found } of readFields(name, file, options, columns)) {
        const record = attempt(options, () => ids.named({ ...draft(row), ...templateArgumentsOf(row) }, found))
        if (record !== undefined) yield record
      }
    },
  }
}

/** The rows of a file as a format gets them; those that are broken by themselves, or hold what would be lost, are refused. */
export async function* readFields(
  name: string,
  file: string,
  options: ReadOptions,
  columns?: Columns,
): AsyncGenerator<{ readonly row: Row; readonly found: FoundRow }> {
  const renaming = options.columns && new Renaming(options.columns)
  for await (const found of readRows(file)) {
    const { where, table } = found
    const parsed = attempt(options, () => found.parse())
    if (parsed === undefined) continue
    // A column that is not there is no fault of the record.
    const renamed =
      renaming === undefined ? parsed.value : renaming.of(parsed.value as Readonly<Record<string, unknown>>, where, table?.columns)
    const row = attempt(options, () => {
      const { value, exact } = table?.ofTexts
        ? valuesOfCells(renamed as Readonly<Record<string, unknown>>, where)
        : { value: renamed, exact: parsed.exact }
      const made = new Row(value, where, name, exact, columns?.fields)
      if (columns !== undefined) refuseColumns(made, name, columns)
      return made
    })
    if (row !== undefined) yield { row, found }
  }
}

/** A reader of a file with one record per line; `parse` reads a line, `draft` makes the record of it. */
export function rowsReader(name: string, parse: (text: string, where: string) => unknown, draft: (row: Row) => Draft): DatasetReader {
  return {
    name,
    async *read(file, options = {}) {
      const shown = shownPath(file)
      if (options.columns !== undefined) {
        throw new PlumbError('PLUMB_DATA_FIELD', 'This file has no header, so that "columns" cannot name what stands in it.', shown)
      }
      const ids = new Ids(file)
      for await (const { number, text } of readLines(file)) {
        const where = `${shown}:${number}`
        const record = attempt(options, () =>
          ids.named(draft(new Row(parse(text, where), where, name)), { where, unit: 'line', place: number }),
        )
        if (record !== undefined) yield record
      }
    },
  }
}

/** The result, or undefined where it is refused and the source says to pass over such records. */
export function attempt<T>({ onRefused }: ReadOptions, make: () => T): T | undefined {
  if (onRefused === undefined) return make()
  try {
    return make()
  } catch (error) {
    if (!isPlumbError(error) || !error.code.startsWith('PLUMB_DATA_')) throw error
    onRefused(error)
    return undefined
  }
}

/** Gives the records of a file their ids, and knows which are taken. */
export class Ids {
  private readonly stem: string
  private readonly places = new KeyTable()

  constructor(file: string) {
    this.stem = path
      .basename(file)
      .replace(/\.gz$/i, '')
      .replace(/(?<=.)\.[^.]*$/, '')
  }

  /** @throws PlumbError PLUMB_DATA_DUPLICATE_ID */
  named(draft: Draft, { where, unit, place }: Pick<FoundRow, 'where' | 'unit' | 'place'>): GroupRecord {
    const { id = `${this.stem}-${place}`, ...content } = draft
    const earlier = this.places.add(id, place)
    if (earlier !== undefined) {
      throw new PlumbError(
        'PLUMB_DATA_DUPLICATE_ID',
        `The id "${id}" stands on ${unit} ${earlier} already; ids must be unique in a file.`,
        where,
      )
    }
    const record: GroupRecord = { id, ...content }
    noteOrigin(record, where)
    return record
  }
}

/** One line as a JSON object. @throws PlumbError PLUMB_DATA_JSON, PLUMB_DATA_ENCODING */
export function parseJson(text: string, where: string): unknown {
  return parseObject(text, where).value
}
