import path from 'node:path'
import type { z } from 'zod'
import { check } from '../config/issues'
import { shownPath } from '../util/shown-path'
import { PlumbError, type PlumbErrorCode } from '../errors'
import type { DatasetReader } from '../seams/dataset'
import { readLines } from './lines'
import { noteOrigin } from './origin'
import type { CandidateRecord, GroupRecord } from '../seams/records'

/** A record before it has its id. */
export interface Draft {
  readonly id?: string
  readonly prompt: string
  readonly answer?: string
  readonly candidates: readonly CandidateRecord[]
}

/** One row of a data file. */
export class Row {
  constructor(
    readonly value: unknown,
    /** `file:line`. */
    readonly where: string,
  ) {}

  /** The row by a schema (of the fields that matter, others being let through). @throws PlumbError PLUMB_DATA_FIELD */
  as<S extends z.ZodType>(schema: S): z.output<S> {
    const checked = check(schema, this.value, {
      shown: (keys) => (keys.length === 0 ? 'The row' : `"${keys.map(String).join('.')}"`),
      where: () => this.where,
      noun: 'a field of this format',
    })
    if (checked.problems) throw this.error('PLUMB_DATA_FIELD', checked.problems[0].message)
    return checked.value
  }

  error(code: PlumbErrorCode, message: string): PlumbError {
    return new PlumbError(code, message, this.where)
  }
}

/** A reader of a file with one JSON object per line. */
export function jsonLinesReader(name: string, draft: (row: Row) => Draft): DatasetReader {
  return rowsReader(name, parseJson, draft)
}

/** A reader of a file with one record per line; `parse` reads a line, `draft` makes the record of it. */
export function rowsReader(name: string, parse: (text: string, where: string) => unknown, draft: (row: Row) => Draft): DatasetReader {
  return {
    name,
    async *read(file) {
      const stem = path.basename(file, path.extname(file))
      const shown = shownPath(file)
      const firstLine = new Map<string, number>()
      for await (const { number, text } of readLines(file)) {
        const where = `${shown}:${number}`
        const { id = `${stem}-${number}`, ...content } = draft(new Row(parse(text, where), where))
        const earlier = firstLine.get(id)
        if (earlier !== undefined) {
          throw new PlumbError(
            'PLUMB_DATA_DUPLICATE_ID',
            `The id "${id}" stands on line ${earlier} already; ids must be unique in a file.`,
            where,
          )
        }
        firstLine.set(id, number)
        const record: GroupRecord = { id, ...content }
        noteOrigin(record, where)
        yield record
      }
    },
  }
}

export function parseJson(text: string, where: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new PlumbError(
      'PLUMB_DATA_JSON',
      `This line is not JSON (${(error as Error).message}); expected one JSON object per line.`,
      where,
    )
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  const found = Array.isArray(value) ? 'a list' : JSON.stringify(value)
  throw new PlumbError('PLUMB_DATA_JSON', `Expected one JSON object per line, but this line is ${found.slice(0, 60)}.`, where)
}
