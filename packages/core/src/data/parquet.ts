import { open, type FileHandle } from 'node:fs/promises'
import type { AsyncBuffer, FileMetaData } from 'hyparquet' with { 'resolution-mode': 'import' }
import { isPlumbError, PlumbError } from '../errors'
import { shownPath } from '../util/shown-path'
import { mustBeFile } from './bytes'
import type { FoundRow } from './found-row'
import { rowValue, textOf } from './parquet-values'

/** What is held at once is a row group; writers make them of some thousand to a million rows. */
const LARGEST_GROUP = 2 ** 30

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
    const columns = columnsOf(metadata, shown)
    let start = 0
    for (const size of groupSizes(metadata, shown)) {
      const rows = await attempt(shown, () => rowsOf(buffer, metadata, start, start + size))
      if (rows.length !== size) throw damaged(shown, `rows ${start + 1} to ${start + size} are not all there`)
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

async function rowsOf(buffer: AsyncBuffer, metadata: FileMetaData, rowStart: number, rowEnd: number): Promise<Record<string, unknown>[]> {
  const [{ parquetReadObjects }, { compressors }] = await Promise.all([import('hyparquet'), import('hyparquet-compressors')])
  return parquetReadObjects({
    file: buffer,
    metadata,
    rowStart,
    rowEnd,
    compressors,
    parsers: { stringFromBytes: textOf, jsonFromBytes: textOf },
    geoparquet: false,
  })
}

function columnsOf({ schema }: FileMetaData, shown: string): string[] {
  const names: string[] = []
  let at = 1
  const skip = (): void => {
    const { num_children: children = 0 } = schema[at++] ?? {}
    for (let n = 0; n < children && at < schema.length; n++) skip()
  }
  while (at < schema.length) {
    names.push(schema[at]?.name ?? '')
    skip()
  }
  const twice = names.find((name, index) => names.indexOf(name) < index)
  if (twice !== undefined) throw new PlumbError('PLUMB_DATA_TABLE', `The file has two columns "${twice}"; expected a name once.`, shown)
  return names
}

/** The numbers of rows of the groups. */
function groupSizes({ row_groups: groups }: FileMetaData, shown: string): number[] {
  return groups.map(({ num_rows: rows, total_byte_size: bytes, columns }, group) => {
    const codec = columns.map(({ meta_data: data }) => String(data?.codec)).find((name) => !CODECS.includes(name))
    if (codec !== undefined) {
      const known = CODECS.slice(1).join(', ')
      throw new PlumbError('PLUMB_DATA_FORMAT', `This Parquet file is packed with ${codec}, which is not read; write it with one of ${known}, or none.`, shown)
    }
    if (Number(bytes) > LARGEST_GROUP) {
      throw new PlumbError(
        'PLUMB_DATA_TOO_LONG',
        `Row group ${group + 1} of this Parquet file has ${Number(bytes)} bytes, and one group is held in memory, of at most ${LARGEST_GROUP};` +
          ' write it with smaller ones, for example with row_group_size=10000 of pyarrow.',
        shown,
      )
    }
    return Number(rows)
  })
}

async function asyncBuffer(handle: FileHandle): Promise<AsyncBuffer> {
  const { size } = await handle.stat()
  return {
    byteLength: size,
    async slice(start, end = size) {
      if (start < 0 || end > size || start > end) throw new RangeError(`bytes ${start} to ${end} lie outside of the file`)
      const bytes = new Uint8Array(end - start)
      for (let filled = 0; filled < bytes.length;) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled)
        if (bytesRead === 0) throw new RangeError('the file ends early')
        filled += bytesRead
      }
      return bytes.buffer
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
  return new PlumbError('PLUMB_DATA_DAMAGED', `This Parquet file is damaged or cut off, or not of a kind that is read (${why.slice(0, 200)}).`, shown)
}
