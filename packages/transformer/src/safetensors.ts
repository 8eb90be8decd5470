import { open, type FileHandle } from 'node:fs/promises'
import { PlumbError } from '@plumbline/core/base'
import { elements } from './parameters'

/** A weight in memory: float32 whatever it was stored as, row-major. */
export interface WeightTensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** Weights by Hugging Face name. */
export type Weights = ReadonlyMap<string, WeightTensor>

/** Where a tensor lies in a safetensors file. */
interface Entry {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  /** Byte range in the file. */
  readonly begin: number
  readonly end: number
}

const BYTES_PER_ELEMENT: Readonly<Record<string, number>> = { F32: 4, BF16: 2, F16: 2 }
/** The format's own limit on the header. */
const MAX_HEADER_BYTES = 100_000_000
/** A multiple of every element size; bounds the scratch memory, and stays below what one read call may return. */
const CHUNK_BYTES = 16 * 1024 * 1024

/**
 * Reads every tensor of one safetensors file as float32. Tensors are read by range, so a file may be larger than a Buffer.
 *
 * @throws PlumbError PLUMB_SAFETENSORS for a truncated or malformed file, PLUMB_SAFETENSORS_DTYPE for a number type other than
 *   F32, BF16 and F16.
 */
export async function readSafetensors(path: string): Promise<Map<string, WeightTensor>> {
  const file = await open(path, 'r')
  try {
    const tensors = new Map<string, WeightTensor>()
    for (const entry of await readHeader(file, path)) {
      if (!(entry.dtype in BYTES_PER_ELEMENT)) {
        const message = `Tensor ${entry.name} is stored as ${entry.dtype}; expected F32, BF16 or F16.`
        throw new PlumbError('PLUMB_SAFETENSORS_DTYPE', message, path)
      }
      tensors.set(entry.name, { shape: entry.shape, data: await readTensor(file, entry, path) })
    }
    return tensors
  } finally {
    await file.close()
  }
}

async function readHeader(file: FileHandle, path: string): Promise<Entry[]> {
  const broken = (message: string, options?: ErrorOptions) => new PlumbError('PLUMB_SAFETENSORS', message, path, options)
  const { size } = await file.stat()
  if (size < 8) throw broken(`The file has ${size} bytes, too few for a safetensors header; it is truncated or not a safetensors file.`)
  const lengthBytes = Buffer.alloc(8)
  await readExactly(file, lengthBytes, 0, path)
  const headerBytes = Number(lengthBytes.readBigUInt64LE(0))
  if (headerBytes > MAX_HEADER_BYTES || 8 + headerBytes > size) {
    throw broken(`The header claims ${headerBytes} bytes but the file has ${size}; it is truncated or not a safetensors file.`)
  }
  const headerText = Buffer.alloc(headerBytes)
  await readExactly(file, headerText, 8, path)
  let header: unknown
  try {
    header = JSON.parse(headerText.toString('utf8'))
  } catch (cause) {
    throw broken('The safetensors header is not valid JSON.', { cause })
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw broken('The safetensors header is not a JSON object.')

  const entries: Entry[] = []
  for (const [name, value] of Object.entries(header)) {
    if (name !== '__metadata__') entries.push(parseEntry(name, value, 8 + headerBytes, broken))
  }
  entries.sort((a, b) => a.begin - b.begin)
  // The format forbids holes and overlaps, so the ranges must tile the rest of the file.
  let expected = 8 + headerBytes
  for (const { name, begin, end } of entries) {
    if (begin !== expected) throw broken(`Tensor ${name} starts at byte ${begin}; expected ${expected}, where the one before it ends.`)
    expected = end
  }
  if (size < expected) throw broken(`The file has ${size} bytes, its header describes ${expected}; it is truncated.`)
  if (size > expected) throw broken(`The file has ${size} bytes, its header describes only ${expected}.`)
  return entries
}

function parseEntry(name: string, value: unknown, dataStart: number, broken: (message: string) => PlumbError): Entry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>
  if (typeof dtype !== 'string' || !isSizes(shape) || !isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw broken(`The header entry of tensor ${name} is malformed; expected dtype, shape and data_offsets.`)
  }
  const [begin, end] = offsets
  const bytes = BYTES_PER_ELEMENT[dtype]
  if (bytes !== undefined && end - begin !== elements(shape) * bytes) {
    throw broken(
      `Tensor ${name} has shape [${shape.join(', ')}] in ${dtype} but ${end - begin} bytes; expected ${elements(shape) * bytes}.`,
    )
  }
  return { name, dtype, shape, begin: dataStart + begin, end: dataStart + end }
}

const isSizes = (value: unknown): value is number[] => Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0)

async function readTensor(file: FileHandle, entry: Entry, path: string): Promise<Float32Array> {
  const data = new Float32Array(elements(entry.shape))
  if (entry.dtype === 'F32') {
    await readExactly(file, new Uint8Array(data.buffer), entry.begin, path)
    return data
  }
  const widen = entry.dtype === 'BF16' ? widenBFloat16 : widenFloat16
  const chunk = new Uint16Array(Math.min(CHUNK_BYTES, entry.end - entry.begin) / 2)
  for (let done = 0; done < data.length; done += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, data.length - done))
    await readExactly(file, new Uint8Array(part.buffer, 0, part.byteLength), entry.begin + 2 * done, path)
    widen(part, data.subarray(done, done + part.length))
  }
  return data
}

async function readExactly(file: FileHandle, target: Uint8Array, position: number, path: string): Promise<void> {
  for (let done = 0; done < target.length;) {
    const { bytesRead } = await file.read(target, done, Math.min(CHUNK_BYTES, target.length - done), position + done)
    if (bytesRead === 0) throw new PlumbError('PLUMB_SAFETENSORS', `The file ends at byte ${position + done}; it is truncated.`, path)
    done += bytesRead
  }
}

/** bfloat16 is the upper half of a float32. */
function widenBFloat16(from: Uint16Array, to: Float32Array): void {
  const bits = new Uint32Array(to.buffer, to.byteOffset, to.length)
  for (let i = 0; i < from.length; i++) bits[i] = from[i] << 16
}

/** IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits; exact in float32. */
function widenFloat16(from: Uint16Array, to: Float32Array): void {
  for (let i = 0; i < from.length; i++) {
    const exponent = (from[i] >> 10) & 31
    const fraction = from[i] & 1023
    const magnitude =
      exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? NaN : Infinity) : (1024 + fraction) * 2 ** (exponent - 25)
    to[i] = from[i] & 0x8000 ? -magnitude : magnitude
  }
}

/**
 * Writes float32 tensors as the Python library does: names in byte order, header padded to eight bytes, metadata
 * `{format: 'pt'}` (without which transformers refuses the file). Same weights, same bytes. Flushed to the disk before it resolves.
 */
export async function writeSafetensors(path: string, weights: Weights): Promise<void> {
  const names = [...weights.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  let offset = 0
  for (const name of names) {
    const { shape, data } = weights.get(name)!
    if (elements(shape) !== data.length) throw new RangeError(`${name}: ${data.length} numbers for shape [${shape.join(', ')}]`)
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] }
    offset += data.byteLength
  }
  const json = Buffer.from(JSON.stringify(header))
  const paddedLength = Math.ceil(json.length / 8) * 8
  const head = Buffer.alloc(8 + paddedLength, ' ')
  head.writeBigUInt64LE(BigInt(paddedLength), 0)
  json.copy(head, 8)

  const file = await open(path, 'w')
  try {
    await writeAll(file, head)
    for (const name of names) {
      const { data } = weights.get(name)!
      await writeAll(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    }
    await file.sync()
  } finally {
    await file.close()
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(CHUNK_BYTES, bytes.length - done))
    done += bytesWritten
  }
}
