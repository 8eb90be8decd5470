import { crc32 } from 'node:zlib'
import { PlumbError } from '@plumbline/core/base'
import { allFinite } from './finite-weights'
import { allHalvesFinite, HALF_TYPES, type HalfType } from './half'
import { elements } from './parameters'
import {
  CHUNK_BYTES,
  readExactly,
  readHeader,
  readNumbers,
  requireKnownNumbers,
  withFile,
  type SafetensorsHeader,
  type StoredTensor,
  type Weights,
  type WeightTensor,
} from './safetensors'

/** A model's tensors, each read when it is asked for: whoever has a place for it need not hold a second copy of all. */
export interface WeightSource {
  /** Names and shapes, in the order of the computation. */
  readonly shapes: ReadonlyMap<string, readonly number[]>
  /** Fills `into`, which has as many numbers as the tensor. @throws PlumbError as `readSafetensors` does. */
  read(name: string, into: Float32Array): Promise<void>
  /** The tensors whose numbers have 16 bits where they are stored; absent where none have. */
  readonly halves?: HalfTensors
}

/** Tensors that can be had as they are stored. */
export interface HalfTensors {
  /** By name. */
  readonly types: ReadonlyMap<string, HalfType>
  /** Fills `into` with the numbers' bits. @throws PlumbError as `readSafetensors` does. */
  read(name: string, into: Uint16Array): Promise<void>
}

/** Every tensor of a source in memory. */
export async function readWeights({ shapes, read }: WeightSource): Promise<Weights> {
  const weights = new Map<string, WeightTensor>()
  for (const [name, shape] of shapes) {
    const data = new Float32Array(elements(shape))
    await read(name, data)
    weights.set(name, { shape, data })
  }
  return weights
}

/** Weights that are in memory already. Each is given once: what was read is let go. */
export function heldWeights(weights: Weights): WeightSource {
  const held = new Map(weights)
  return {
    shapes: new Map([...weights].map(([name, { shape }]) => [name, shape])),
    read: (name, into) => {
      into.set(held.get(name)!.data)
      held.delete(name)
      return Promise.resolve()
    },
  }
}

/**
 * Reads a tensor of a safetensors file into memory that its owner has made, from number `first` on.
 *
 * @param into as many numbers as are wanted: float32, whatever they are stored as; or, of tensors with 16 bits a number, those bits.
 * @throws PlumbError as `readSafetensors` does.
 */
export async function readStoredTensor(path: string, tensor: StoredTensor, into: Float32Array | Uint16Array, first = 0): Promise<void> {
  requireKnownNumbers(tensor, path)
  const total = elements(tensor.shape)
  if (first + into.length > total) throw new RangeError(`${tensor.name}: ${first} + ${into.length} numbers were asked for of ${total}`)
  await withFile(path, (file) => readNumbers(file, tensor, into, first, path))
}

/** Whether two stored tensors of one shape hold the same numbers; neither is held as a whole. */
export async function sameNumbers(a: StoredTensor & { file: string }, b: StoredTensor & { file: string }): Promise<boolean> {
  const [mine, others] = [new Float32Array(CHUNK_BYTES / 4), new Float32Array(CHUNK_BYTES / 4)]
  const total = elements(a.shape)
  for (let first = 0; first < total; first += mine.length) {
    const [x, y] = [mine, others].map((chunk) => chunk.subarray(0, Math.min(chunk.length, total - first)))
    await readStoredTensor(a.file, a, x!, first)
    await readStoredTensor(b.file, b, y!, first)
    if (!x!.every((value, i) => value === y![i])) return false
  }
  return true
}

/** What one reading of a safetensors file from end to end tells. */
export interface SafetensorsScan {
  /** CRC-32 of the whole file, as `writeSafetensors` returns it. */
  readonly checksum: number
  /** Absent where there is none that can be read: `problem` says why. */
  readonly header?: SafetensorsHeader
  readonly problem?: PlumbError
  /** The first tensor that holds NaN or an infinity. */
  readonly nonFinite?: string
}

/** Reads a file once, by chunks, for everything that must be known of it before it replaces anything. */
export async function scanSafetensors(path: string): Promise<SafetensorsScan> {
  return withFile(path, async (file, size) => {
    let problem: PlumbError | undefined
    const header = await readHeader(file, size, path)
      .then((found) => {
        for (const tensor of found.tensors) requireKnownNumbers(tensor, path)
        return found
      })
      .catch((error: unknown) => {
        if (!(error instanceof PlumbError)) throw error
        problem = error
        return undefined
      })
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, Math.max(4, size)))
    let checksum = 0
    let nonFinite: string | undefined
    const scan = async (begin: number, end: number, tensor?: StoredTensor) => {
      for (let at = begin; at < end; at += chunk.length) {
        const part = chunk.subarray(0, Math.min(chunk.length, end - at))
        await readExactly(file, part, at, path)
        checksum = crc32(part, checksum)
        if (tensor && nonFinite === undefined && !finiteBytes(part, tensor.dtype)) nonFinite = tensor.name
      }
    }
    // The header's checks say that the tensors lie side by side up to the file's end.
    await scan(0, header?.tensors[0]?.begin ?? size)
    for (const tensor of header?.tensors ?? []) await scan(tensor.begin, tensor.end, tensor)
    return { checksum, header, problem, nonFinite }
  })
}

function finiteBytes({ buffer, length }: Uint8Array, dtype: string): boolean {
  if (dtype === 'F32') return allFinite(new Float32Array(buffer, 0, length / 4))
  return allHalvesFinite(new Uint16Array(buffer, 0, length / 2), HALF_TYPES[dtype]!)
}
