import { open, type FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { fileStats, PlumbError } from '@plumbline/core/base'
import { HALF_TYPES, widen } from './half'
import { elements } from './parameters'
import { MOST_HEADER_BYTES, parseHeader } from './safetensors-header'

/** A weight in memory: float32 whatever it was stored as, row-major. */
export interface WeightTensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** Weights by Hugging Face name. */
export type Weights = ReadonlyMap<string, WeightTensor>

/** A tensor as it is written: float32, or the bits of bfloat16. */
export interface WritableTensor {
  readonly shape: readonly number[]
  readonly data: Float32Array | Uint16Array
}

export type WritableTensors = ReadonlyMap<string, WritableTensor>

/** Where a tensor lies in a safetensors file. */
export interface StoredTensor {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  /** Byte range in the file. */
  readonly begin: number
  readonly end: number
}

/** What a safetensors file says of itself, before any number is read. */
export interface SafetensorsHeader {
  readonly tensors: readonly StoredTensor[]
  readonly metadata: Readonly<Record<string, unknown>>
}

const BYTES_PER_ELEMENT: Readonly<Record<string, number>> = { F32: 4, BF16: 2, F16: 2 }
/** A multiple of every element size; bounds the scratch memory, and stays below what one read call may return. */
export const CHUNK_BYTES = 16 * 1024 * 1024

/**
 * Reads every tensor of one safetensors file as float32, or those that `wanted` names. Tensors are read by range, so a file may be
 * larger than a Buffer.
 *
 * @throws PlumbError PLUMB_SAFETENSORS for a truncated or malformed file, PLUMB_SAFETENSORS_DTYPE for a number type other than
 *   F32, BF16 and F16, PLUMB_NOT_A_FILE for what is no file.
 */
export async function readSafetensors(path: string, wanted?: ReadonlySet<string>): Promise<Map<string, WeightTensor>> {
  return withFile(path, async (file, size) => {
    const tensors = new Map<string, WeightTensor>()
    for (const entry of (await readHeader(file, size, path)).tensors) {
      if (wanted && !wanted.has(entry.name)) continue
      requireKnownNumbers(entry, path)
      const data = new Float32Array(elements(entry.shape))
      await readNumbers(file, entry, data, 0, path)
      tensors.set(entry.name, { shape: entry.shape, data })
    }
    return tensors
  })
}

/** @throws PlumbError PLUMB_SAFETENSORS_DTYPE */
export function requireKnownNumbers({ name, dtype }: StoredTensor, path: string): void {
  if (Object.hasOwn(BYTES_PER_ELEMENT, dtype)) return
  throw new PlumbError('PLUMB_SAFETENSORS_DTYPE', `Tensor ${name} is stored as ${dtype}; expected F32, BF16 or F16.`, path)
}

/** Names, shapes and places of the tensors, without their numbers. @throws PlumbError as `readSafetensors` does. */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  return withFile(path, (file, size) => readHeader(file, size, path))
}

export async function withFile<T>(path: string, use: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
  const found = await fileStats(path)
  if (!found) throw new PlumbError('PLUMB_SAFETENSORS', 'There is no such file.', path)
  const file = await open(path, 'r')
  try {
    return await use(file, found.size)
  } finally {
    await file.close()
  }
}

export async function readHeader(file: FileHandle, size: number, path: string): Promise<SafetensorsHeader> {
  const broken = (message: string, options?: ErrorOptions) => new PlumbError('PLUMB_SAFETENSORS', message, path, options)
  if (size < 8) throw broken(`The file has ${size} bytes, too few for a safetensors header; it is truncated or not a safetensors file.`)
  const lengthBytes = Buffer.alloc(8)
  await readExactly(file, lengthBytes, 0, path)
  const headerBytes = Number(lengthBytes.readBigUInt64LE(0))
  if (8 + headerBytes > size) {
    throw broken(`The header claims ${headerBytes} bytes but the file has ${size}; it is truncated or not a safetensors file.`)
  }
  if (headerBytes > MOST_HEADER_BYTES) {
    throw broken(`The header has ${headerBytes} bytes, more than the ${MOST_HEADER_BYTES} that any model needs.`)
  }
  const headerText = Buffer.alloc(headerBytes)
  await readExactly(file, headerText, 8, path)
  const { tensors, metadata } = parseHeader(headerText, broken)
  const entries = tensors.map((entry) => ({ ...entry, begin: entry.begin + 8 + headerBytes, end: entry.end + 8 + headerBytes }))
  // By their ends too: a tensor of no numbers may stand before or behind another that begins where it does.
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
  // The format forbids holes and overlaps, so the ranges must tile the rest of the file.
  let expected = 8 + headerBytes
  for (const { name, begin, end } of entries) {
    if (begin !== expected) throw broken(`Tensor ${name} starts at byte ${begin}; expected ${expected}, where the one before it ends.`)
    expected = end
  }
  if (size < expected) throw broken(`The file has ${size} bytes, its header describes ${expected}; it is truncated.`)
  if (size > expected) throw broken(`The file has ${size} bytes, its header describes only ${expected}.`)
  return { tensors: entries, metadata }
}

/** Numbers of a tensor from the `first` on, as many as `into` has: as float32, or as the bits of 16-bit numbers. */
export async function readNumbers(
  file: FileHandle,
  { name, dtype, begin }: StoredTensor,
  into: Float32Array | Uint16Array,
  first: number,
  path: string,
): Promise<void> {
  const size = BYTES_PER_ELEMENT[dtype]!
  if (size === into.BYTES_PER_ELEMENT) {
    await readExactly(file, new Uint8Array(into.buffer, into.byteOffset, into.byteLength), begin + size * first, path)
    return
  }
  if (!(into instanceof Float32Array)) throw new TypeError(`${name} is stored as ${dtype}, which has no 16 bits a number`)
  const chunk = new Uint16Array(Math.min(CHUNK_BYTES / 2, into.length))
  for (let done = 0; done < into.length; done += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, into.length - done))
    await readExactly(file, new Uint8Array(part.buffer, 0, part.byteLength), begin + 2 * (first + done), path)
    widen(part, HALF_TYPES[dtype]!, into.subarray(done, done + part.length))
  }
}

export async function readExactly(file: FileHandle, target: Uint8Array, position: number, path: string): Promise<void> {
  for (let done = 0; done < target.length;) {
    const { bytesRead } = await file.read(target, done, Math.min(CHUNK_BYTES, target.length - done), position + done)
    if (bytesRead === 0) throw new PlumbError('PLUMB_SAFETENSORS', `The file ends at byte ${position + done}; it is truncated.`, path)
    done += bytesRead
  }
}

/** A tensor that is made when it is its turn to be written. */
export interface PendingTensor {
  readonly shape: readonly number[]
  readonly dtype: 'F32' | 'BF16'
  /** float32, or the bits of bfloat16. */
  data(): Promise<Float32Array | Uint16Array>
}

/**
 * Writes float32 and bfloat16 tensors as the Python library does: names in byte order, header padded to eight bytes, metadata
 * `{format: 'pt'}` (without which transformers refuses the file). Same weights, same bytes. Flushed to the disk before it resolves.
 *
 * @param metadata further texts for the header.
 * @returns the CRC-32 of the whole file.
 */
export async function writeSafetensors(
  path: string,
  weights: WritableTensors,
  metadata: Readonly<Record<string, string>> = {},
): Promise<number> {
  const pending = [...weights].map(([name, { shape, data }]): [string, PendingTensor] => {
    return [name, { shape, dtype: data instanceof Float32Array ? 'F32' : 'BF16', data: () => Promise.resolve(data) }]
  })
  return writePendingTensors(path, new Map(pending), metadata)
}

/** The same of tensors that are not in memory at once. */
export async function writePendingTensors(
  path: string,
  tensors: ReadonlyMap<string, PendingTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<number> {
  const names = [...tensors.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } }
  let offset = 0
  for (const name of names) {
    const { shape, dtype } = tensors.get(name)!
    const end = offset + elements(shape) * BYTES_PER_ELEMENT[dtype]!
    header[name] = { dtype, shape, data_offsets: [offset, end] }
    offset = end
  }
  const json = Buffer.from(JSON.stringify(header))
  const paddedLength = Math.ceil(json.length / 8) * 8
  const head = Buffer.alloc(8 + paddedLength, ' ')
  head.writeBigUInt64LE(BigInt(paddedLength), 0)
  json.copy(head, 8)

  const file = await open(path, 'w')
  let checksum = 0
  const write = async (bytes: Uint8Array) => {
    checksum = crc32(bytes, checksum)
    await writeAll(file, bytes, path)
  }
  try {
    await write(head)
    for (const name of names) {
      const { shape, data: make } = tensors.get(name)!
      const data = await make()
      if (elements(shape) !== data.length) throw new RangeError(`${name}: ${data.length} numbers for shape [${shape.join(', ')}]`)
      await write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    }
    await file.sync()
    return checksum
  } finally {
    await file.close()
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, path: string): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(CHUNK_BYTES, bytes.length - done)).catch((error: unknown) => {
      // An error of an open file does not say which: a full disk is told with the file that did not fit.
      throw Object.assign(error as NodeJS.ErrnoException, { path })
    })
    done += bytesWritten
  }
}
