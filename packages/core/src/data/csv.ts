import { CsvError, parse } from 'csv-parse'
import { PlumbError } from '../errors'
import { shownPath } from '../util/shown-path'
import { readBytes } from './bytes'
import type { FoundRow } from './found-row'
import { LONGEST } from './line'
import { decode } from './utf8'

const NEWLINE = 0x0a

export const isCsvName = (file: string): boolean => /\.(csv|tsv)(\.gz)?$/i.test(file)

/** A cell; null where there is nothing at all between two delimiters, which is no text, while `""` is an empty one. */
type Cell = string | null

interface Parsed {
  readonly record: readonly Cell[]
  /** The line that it ends on. */
  readonly endsAt: number
}

/**
 * The rows of a table of texts (RFC 4180): the first row names the columns, cells with delimiters, quotes or line ends stand in quotes. The
 * delimiter is a tab where the file's name says `.tsv`, else the one of `,` `;` tab `|` that the first line has most of.
 *
 * @throws PlumbError PLUMB_DATA_TABLE (quotes that do not close, a row that is longer or shorter than the header, a column without or with
 *   another one's name), PLUMB_DATA_EMPTY, PLUMB_DATA_ENCODING, PLUMB_DATA_TOO_LONG, and those of `readBytes`.
 */
export async function* csvRows(file: string): AsyncGenerator<FoundRow> {
  const shown = shownPath(file)
  const bytes = checkedText(readBytes(file), shown)
  const first = await bytes.next()
  if (first.done === true) throw new PlumbError('PLUMB_DATA_EMPTY', 'The data file is empty.', shown)
  const delimiter = delimiterOf(file, first.value)
  let columns: readonly string[] | undefined
  let place = 0
  // The last line of the record before.
  let lastLine = 0
  try {
    for await (const { record, endsAt } of recordsOf(joined(first.value, bytes), delimiter)) {
      lastLine = endsAt
      const where = `${shown}:${endsAt - newlinesIn(record)}`
      if (columns === undefined) columns = headerOf(record, where)
      else yield rowOf(columns, record, where, ++place)
    }
  } catch (error) {
    throw error instanceof CsvError ? syntaxError(error, shown, lastLine) : error
  } finally {
    await bytes.return(undefined)
  }
  if (columns === undefined) throw new PlumbError('PLUMB_DATA_EMPTY', 'The data file is empty.', shown)
}

/** Everything before what is wrong comes first, as with other files: the parser itself, as a stream, would drop what it has read. */
async function* recordsOf(bytes: AsyncIterable<Buffer>, delimiter: string): AsyncGenerator<Parsed> {
  let records: Parsed[] = []
  let failure: Error | undefined
  const parser = parse({
    delimiter,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: LONGEST,
    cast: (value, { quoting }) => (value === '' && !quoting ? null : value),
    // Called while a piece is being parsed; nothing then goes through the stream.
    on_record: (record: readonly Cell[], { lines }) => {
      records.push({ record, endsAt: lines })
      return null
    },
  })
  parser.on('error', (error: Error) => (failure = error)).resume()
  const take = (): Parsed[] => {
    const taken = records
    records = []
    return taken
  }
  for await (const piece of bytes) {
    await new Promise<void>((resolve) => parser.write(piece, () => resolve()))
    yield* take()
    if (failure !== undefined) throw failure
  }
  await new Promise<void>((resolve) => parser.end(() => resolve()))
  yield* take()
  if (failure !== undefined) throw failure
}

/** The bytes in pieces that end with a line, each known to be UTF-8: what a parser that decodes by itself would not complain about. */
async function* checkedText(bytes: AsyncGenerator<Buffer>, shown: string): AsyncGenerator<Buffer> {
  let line = 1
  let rest: Buffer[] = []
  let waiting = 0
  const checked = (): Buffer => {
    const piece = rest.length === 1 ? (rest[0] ?? Buffer.alloc(0)) : Buffer.concat(rest)
    decode(piece, (linesBefore) => `${shown}:${line + linesBefore}`)
    for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, at + 1)) line++
    rest = []
    waiting = 0
    return piece
  }
  for await (const chunk of bytes) {
    const end = chunk.lastIndexOf(NEWLINE) + 1
    if (end > 0) {
      rest.push(chunk.subarray(0, end))
      yield checked()
    }
    if (end < chunk.length) rest.push(chunk.subarray(end))
    waiting += chunk.length - end
    if (waiting > LONGEST) throw tooLong(`${shown}:${line}`)
  }
  if (rest.length > 0) yield checked()
}

async function* joined(first: Buffer, others: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield first
  yield* others
}

const DELIMITERS = [',', ';', '\t', '|']

function delimiterOf(file: string, beginning: Buffer): string {
  if (/\.tsv(\.gz)?$/i.test(file)) return '\t'
  const header = /^(?:[^"\r\n]|"[^"]*")*/.exec(beginning.toString('utf8').trimStart())?.[0] ?? ''
  const plain = header.replace(/"[^"]*"/g, '')
  const counts = DELIMITERS.map((mark) => plain.split(mark).length)
  return DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ','
}

function headerOf(record: readonly Cell[], where: string): string[] {
  const names = record.map((cell) => (cell ?? '').trim())
  const twice = names.find((name, at) => name !== '' && names.indexOf(name) < at)
  if (twice !== undefined) throw new PlumbError('PLUMB_DATA_TABLE', `The header names two columns "${twice}"; expected a name once.`, where)
  if (names.every((name) => name === ''))
    throw new PlumbError('PLUMB_DATA_TABLE', 'The first row names no column; a header is required.', where)
  return names
}

function rowOf(columns: readonly string[], record: readonly Cell[], where: string, place: number): FoundRow {
  const parse = (): { value: unknown; exact: ReadonlySet<string> } => {
    if (record.length !== columns.length) {
      const found = `This row has ${record.length} ${record.length === 1 ? 'cell' : 'cells'}, and the header names ${columns.length} columns`
      throw new PlumbError('PLUMB_DATA_TABLE', `${found}; cells with delimiters or line ends must stand in double quotes.`, where)
    }
    // Columns without a name are the row numbers that pandas writes.
    const cells = columns.flatMap((name, at): [string, string][] => {
      const cell = record[at]
      return name === '' || cell === null || cell === undefined ? [] : [[name, cell]]
    })
    return { value: Object.fromEntries(cells), exact: NONE }
  }
  return { where, unit: 'row', place, parse, table: { columns: columns.filter((name) => name !== ''), ofTexts: true } }
}

const NONE: ReadonlySet<string> = new Set()

function newlinesIn(record: readonly Cell[]): number {
  let count = 0
  for (const cell of record) for (const end of (cell ?? '').matchAll(/\r\n|\n|\r/g)) count += Number(end.length > 0)
  return count
}

function syntaxError(error: CsvError, shown: string, lastLine: number): PlumbError {
  const where = `${shown}:${lastLine + 1}`
  const expected = 'write cells with quotes, delimiters or line ends in double quotes, and a quote in them twice ("")'
  switch (error.code) {
    case 'CSV_MAX_RECORD_SIZE':
      return tooLong(where)
    case 'CSV_QUOTE_NOT_CLOSED':
      return new PlumbError('PLUMB_DATA_TABLE', `A quote opens in the row that starts here and does not close; ${expected}.`, where)
    default:
      return new PlumbError('PLUMB_DATA_TABLE', `A quote stands where none can be in the row that starts here; ${expected}.`, where)
  }
}

function tooLong(where: string): PlumbError {
  return new PlumbError(
    'PLUMB_DATA_TOO_LONG',
    `This record is longer than ${LONGEST / 2 ** 20} MiB; expected a table with a row for each record.`,
    where,
  )
}
