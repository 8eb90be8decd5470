import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { PlumbError } from '../errors'
import { shownPath } from '../util/shown-path'
import { isGzip, refuseForeign } from './sniff'

/** As many bytes as telling a file's kind may need. */
const HEAD = 512

/**
 * The bytes of a data file in pieces, unpacked where it is gzip (whatever its name says), without a byte order mark.
 *
 * @throws PlumbError PLUMB_DATA_NOT_FOUND (nothing there, or no file), PLUMB_DATA_FORMAT (a kind of file that is not read, told
 *   by its first bytes), PLUMB_DATA_DAMAGED (gzip that is broken or cut off).
 */
export async function* readBytes(file: string): AsyncGenerator<Buffer> {
  await mustBeFile(file)
  const packed = await headOf(plain(file))
  if (!isGzip(packed.head)) {
    yield* text(packed, file)
    return
  }
  await packed.rest.return(undefined)
  const unpacked = await headOf(unzipped(file))
  if (isGzip(unpacked.head))
    throw new PlumbError('PLUMB_DATA_FORMAT', 'This file is packed with gzip twice; unpack it once.', shownPath(file))
  yield* text(unpacked, file)
}

interface Opened {
  readonly head: Buffer
  readonly rest: AsyncGenerator<Buffer>
}

async function* text({ head, rest }: Opened, file: string): AsyncGenerator<Buffer> {
  try {
    refuseForeign(head, shownPath(file))
    yield head.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf])) ? head.subarray(3) : head
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}

/** The beginning of a stream of bytes, at least `HEAD` of them where there are as many, and what follows. */
async function headOf(bytes: AsyncGenerator<Buffer>): Promise<Opened> {
  const pieces: Buffer[] = []
  let size = 0
  while (size < HEAD) {
    const next = await bytes.next()
    if (next.done === true) break
    pieces.push(next.value)
    size += next.value.length
  }
  return { head: Buffer.concat(pieces), rest: bytes }
}

async function* plain(file: string): AsyncGenerator<Buffer> {
  for await (const chunk of createReadStream(file)) yield chunk as Buffer
}

async function* unzipped(file: string): AsyncGenerator<Buffer> {
  // `pipeline` hands an error of the file to the unpacked side, and closes the file when reading stops early.
  const stream = pipeline(createReadStream(file), createGunzip(), () => undefined)
  try {
    for await (const chunk of stream) yield chunk as Buffer
  } catch (error) {
    if (!String((error as { code?: unknown }).code).startsWith('Z_')) throw error
    throw new PlumbError(
      'PLUMB_DATA_DAMAGED',
      `This gzip file is damaged or cut off (${(error as Error).message}); get or pack it again.`,
      shownPath(file),
    )
  }
}

/** No device and no pipe either: reading one would wait, or never end. */
export async function mustBeFile(file: string): Promise<void> {
  const shown = shownPath(file)
  const found = await stat(file).catch((error: unknown) => {
    const { code } = error as { code?: unknown }
    // Whatever else there is (no permission, a failing disk) speaks for itself.
    if (!['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE'].includes(String(code))) throw error
    throw new PlumbError('PLUMB_DATA_NOT_FOUND', 'There is no such data file.', shown)
  })
  if (found.isFile()) return
  const kind = found.isDirectory() ? 'a folder' : found.isFIFO() ? 'a named pipe' : found.isSocket() ? 'a socket' : 'a device'
  throw new PlumbError('PLUMB_DATA_NOT_FOUND', `Expected a data file, but this is ${kind}.`, shown)
}
