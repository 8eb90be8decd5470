import { open, type FileHandle } from 'node:fs/promises'
import type { AsyncBuffer, FileMetaData } from 'hyparquet' with { 'resolution-mode': 'import' }
import { isPlumbError, PlumbError } from '../errors'
import { shownPath } from '../util/shown-path'
import { mustBeFile } from './bytes'
import type { FoundRow } from './found-row'
import { jsonOf, rowValue, textOf } from './parquet-values'

/** What is held at once is a row group; writers make them of some thousand to a million rows. */
const LARGEST_GROUP = 2 ** 30
const MOST_ROWS = 10_000_000

/** What `hyparquet` and `hyparquet-compressors` unpack; of the format's codecs LZO is missing. */
const CODECS = ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI', 'ZSTD', 'LZ4', 'LZ4_RAW']

/** Whether the file begins as Parquet does. @throws PlumbError PLUMB_DATA_NOT_FOUND */
export async function isParquet(file: string): Promise<boolean> {
  await mustBeFile(file)
  const handle = await open(file, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0)
    return bytesRead === 4 && ['PAR1', 'PARE'].includes(buffer.toString('latin1'))
  } finally {
    await handle.close()
  }
}

/**
 * The rows of a Parquet file, by row groups: in memory are those of one. Nulls, and floating numbers that are NaN (which pandas writes for
 * them), are fields that are not there; times are ISO texts; numbers that a double would change keep their digits.
 *
 * @throws PlumbError PLUMB_DATA_DAMAGED, PLUMB_DATA_FORMAT (encrypted, or packed with a codec that is not read), PLUMB_DATA_EMPTY,
 *   PLUMB_DATA_TOO_LONG (a row group above 1 GiB), PLUMB_DATA_ENCODING.
 */
export async function* parquetRows(file: string): AsyncGenerator<FoundRow> {
  const shown = shownPath(file)
  const handle = await open(file, 'r')
  try {
    const buffer = await asyncBuffer(handle)
    const metadata = await attempt(shown, () => metadataOf(buffer, shown))
    const { columns, leaves } = schemaOf(metadata, shown)
    let start = 0
    for (const size of groupSizes(metadata, leaves, buffer.byteLength, shown)) {
      const rows = await attempt(shown, () => rowsOf(buffer, metadata, columns, start, start + size))
      for (const [at, value] of rows.entries()) {
        const place = start + at + 1
        const where = `${shown}  row ${place}`
        yield { where, unit: 'row', place, parse: () => rowValue(value, where), table: { columns, ofTexts: false } }
      }
      start += size
    }
    if (start === 0) throw new PlumbError('PLUMB_DATA_EMPTY', 'The data file has no row.', shown)
  } finally {
    await handle.close()
  }
}

async function metadataOf(buffer: AsyncBuffer, shown: string): Promise<FileMetaData> {
  const tail = Buffer.from(await buffer.slice(Math.max(0, buffer.byteLength - 4), buffer.byteLength)).toString('latin1')
  if (tail === 'PARE') throw new PlumbError('PLUMB_DATA_FORMAT', 'This Parquet file is encrypted; write it without encryption.', shown)
  const { parquetMetadataAsync } = await import('hyparquet')
  return parquetMetadataAsync(buffer)
}

type Fields = Record<string, unknown>

/** Column by column: where several are read at once and two of them are damaged, the reader leaves one failure to nobody. */
async function rowsOf(
  buffer: AsyncBuffer,
  metadata: FileMetaData,
  columns: readonly string[],
  rowStart: number,
  rowEnd: number,
): Promise<Fields[]> {
  const [{ parquetReadObjects }, { compressors }] = await Promise.all([import('hyparquet'), import('hyparquet-compressors')])
  const rows = Array.from({ length: rowEnd - rowStart }, (): Fields => ({}))
  for (const column of columns) {
    const values = await parquetReadObjects({
      file: buffer,
      metadata,
      columns: [column],
      rowStart,
      rowEnd,
      compressors,
      parsers: { stringFromBytes: textOf, jsonFromBytes: jsonOf },
      geoparquet: false,
    })
    if (values.length !== rows.length) throw new RangeError(`rows ${rowStart + 1} to ${rowEnd} are not all there`)
    for (const [at, row] of rows.entries()) row[column] = (values[at] as Fields)[column]
  }
  return rows
}

/** The names of the columns, and the paths of the leaves that their values are stored by. */
function schemaOf({ schema }: FileMetaData, shown: string): { readonly columns: readonly string[]; readonly leaves: ReadonlySet<string> } {
  const columns: string[] = []
  const leaves = new Set<string>()
  let at = 1
  const walk = (above: readonly string[]): void => {
    const { name = '', num_children: children = 0 } = schema[at++] ?? {}
    const path = [...above, name]
    if (children === 0) leaves.add(JSON.stringify(path))
    for (let n = 0; n < children && at < schema.length; n++) walk(path)
  }
  while (at < schema.length) {
    columns.push(schema[at]?.name ?? '')
    walk([])
  }
  const twice = columns.find((name, index) => columns.indexOf(name) < index)
  if (twice !== undefined) throw new PlumbError('PLUMB_DATA_TABLE', `The file has two columns "${twice}"; expected a name once.`, shown)
  return { columns, leaves }
}

/** The numbers of rows of the groups, which are what can be read: what the parser takes on trust is looked at before. */
function groupSizes({ row_groups: groups }: FileMetaData, leaves: ReadonlySet<string>, fileSize: number, shown: string): number[] {
  return groups.map(({ num_rows: rows, total_byte_size: bytes, columns }, group) => {
    const title = `Row group ${group + 1} of this Parquet file`
    const codec = columns.map(({ meta_data: data }) => String(data?.codec)).find((name) => !CODECS.includes(name))
    if (codec !== undefined) {
      const known = CODECS.slice(1).join(', ')
      const message = `This Parquet file is packed with ${codec}, which is not read; write it with one of ${known}, or none.`
      throw new PlumbError('PLUMB_DATA_FORMAT', message, shown)
    }
    const tooLarge =
      Number(bytes) > LARGEST_GROUP ? `${Number(bytes)} bytes` : Number(rows) > MOST_ROWS ? `${Number(rows)} rows` : undefined
    if (tooLarge !== undefined) {
      const message = `${title} has ${tooLarge}, and a group is held in memory, of at most ${LARGEST_GROUP} bytes and ${MOST_ROWS} rows; write it with smaller ones, for example with row_group_size=10000 of pyarrow.`
      throw new PlumbError('PLUMB_DATA_TOO_LONG', message, shown)
    }
    const paths = new Set(columns.map(({ meta_data: data }) => JSON.stringify(data?.path_in_schema)))
    if (paths.size !== leaves.size || columns.length !== leaves.size || [...paths].some((path) => !leaves.has(path))) {
      throw damaged(shown, `row group ${group + 1} does not have the columns of the schema`)
    }
    for (const { meta_data: data } of columns) {
      const start = Number(data?.dictionary_page_offset || data?.data_page_offset)
      const end = start + Number(data?.total_compressed_size)
      if (!(Number(rows) >= 0 && start >= 0 && start <= end && end <= fileSize)) {
        throw damaged(shown, `a column of row group ${group + 1} lies outside of the file`)
      }
    }
    return Number(rows)
  })
}

async function asyncBuffer(handle: FileHandle): Promise<AsyncBuffer> {
  const { size } = await handle.stat()
  const read = async (start: number, end: number): Promise<ArrayBuffer> => {
    if (!(start >= 0 && start <= end && end <= size)) throw new RangeError(`bytes ${start} to ${end} lie outside of the file`)
    const bytes = new Uint8Array(end - start)
    for (let filled = 0; filled < bytes.length;) {
      const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled)
      if (bytesRead === 0) throw new RangeError('the file ends early')
      filled += bytesRead
    }
    return bytes.buffer
  }
  return {
    byteLength: size,
    slice(start, end = size) {
      const found = read(start, end)
      // The parser asks for several at once, and waits for none behind the first that fails.
      found.catch(() => undefined)
      return found
    },
  }
}

/** What the parser throws is about the file: it knows no other reason. */
async function attempt<T>(shown: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isPlumbError(error) || isOfSystem(error)) throw error
    throw damaged(shown, (error as Error).message)
  }
}

const isOfSystem = (error: unknown): boolean => error instanceof Error && 'syscall' in error

function damaged(shown: string, why: string): PlumbError {
  return new PlumbError(
    'PLUMB_DATA_DAMAGED',
    `This Parquet file is damaged or cut off, or not of a kind that is read (${why.slice(0, 200)}).`,
    shown,
  )
}
