import path from 'node:path'
import { KeyTable } from '../util/key-table'
import { shownPath } from '../util/shown-path'
import { PlumbError } from '../errors'
import type { DatasetReader } from '../seams/dataset'
import { refuseColumns, type Columns } from './columns'
import { parseObject } from './json'
import type { Line } from './line'
import { readJsonTexts, readLines } from './lines'
import { noteOrigin } from './origin'
import { Row } from './row'
import { templateArgumentsOf } from './template-arguments'
import type { GroupRecord } from '../seams/records'

export { Row } from './row'

/** A record before it has its id. */
export type Draft = Omit<GroupRecord, 'id'> & { readonly id?: string | undefined }

/** A reader of a file with one JSON object per line, or one JSON array of objects. With `columns`, those that it leaves out are refused. */
export function jsonLinesReader(name: string, draft: (row: Row) => Draft, columns?: Columns): DatasetReader {
  return recordReader(name, readJsonTexts, (text, where, unit) => {
    const { value, exact } = parseObject(text, where, unit)
    const row = new Row(value, where, name, exact)
    if (columns !== undefined) refuseColumns(row, name, columns)
    return { ...draft(row), ...templateArgumentsOf(row) }
  })
}

/** A reader of a file with one record per line; `parse` reads a line, `draft` makes the record of it. */
export function rowsReader(name: string, parse: (text: string, where: string) => unknown, draft: (row: Row) => Draft): DatasetReader {
  return recordReader(name, readLines, (text, where) => draft(new Row(parse(text, where), where, name)))
}

function recordReader(
  name: string,
  texts: (file: string) => AsyncIterable<Line>,
  draft: (text: string, where: string, unit: 'line' | 'element') => Draft,
): DatasetReader {
  return {
    name,
    async *read(file) {
      const stem = path
        .basename(file)
        .replace(/\.gz$/i, '')
        .replace(/(?<=.)\.[^.]*$/, '')
      const shown = shownPath(file)
      const places = new KeyTable()
      for await (const { number, text, element } of texts(file)) {
        // The elements of an array may share a line; their order is as stable as line numbers are.
        const [unit, place] = element === undefined ? (['line', number] as const) : (['element', element] as const)
        const where = `${shown}:${number}${element === undefined ? '' : `  element ${element}`}`
        const { id = `${stem}-${place}`, ...content } = draft(text, where, unit)
        const earlier = places.add(id, place)
        if (earlier !== undefined) {
          throw new PlumbError(
            'PLUMB_DATA_DUPLICATE_ID',
            `The id "${id}" stands on ${unit} ${earlier} already; ids must be unique in a file.`,
            where,
          )
        }
        const record: GroupRecord = { id, ...content }
        noteOrigin(record, where)
        yield record
      }
    },
  }
}

/** One line as a JSON object. @throws PlumbError PLUMB_DATA_JSON, PLUMB_DATA_ENCODING */
export function parseJson(text: string, where: string): unknown {
  return parseObject(text, where).value
}
