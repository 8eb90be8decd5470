import { PlumbError } from '@plumbline/core/base'

/**
 * Frames between Node and Python: four bytes with the header's length (little endian), the header in JSON, then raw arrays one behind the
 * other. The header's `arrays` lists type and shape of each. `python/plumbline_torch/framing.py` is the other side.
 */
export interface Frame {
  readonly header: Readonly<Record<string, unknown>>
  readonly arrays: readonly NumberArray[]
}

export type NumberArray = Int32Array | Uint32Array | Float32Array | Float64Array | Uint8Array

const TYPES = { int32: Int32Array, uint32: Uint32Array, float32: Float32Array, float64: Float64Array, uint8: Uint8Array } as const
type TypeName = keyof typeof TYPES

interface Described {
  readonly dtype: TypeName
  readonly shape: readonly number[]
}

const MOST_HEADER_BYTES = 256 * 2 ** 20

/** The parts of a frame, to be written one behind the other. */
export function encodeFrame({ header, arrays }: Frame): Uint8Array[] {
  const described = arrays.map((array): Described => ({ dtype: typeOf(array), shape: [array.length] }))
  const text = Buffer.from(JSON.stringify({ ...header, arrays: described }))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(text.length)
  return [length, text, ...arrays.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength))]
}

function typeOf(array: NumberArray): TypeName {
  const [name] = Object.entries(TYPES).find(([, type]) => array instanceof type)!
  return name as TypeName
}

/** Puts frames together from whatever pieces they come in. */
export class FrameReader {
  private pieces: Uint8Array[] = []
  private bytes = 0
  private header: { readonly value: Readonly<Record<string, unknown>>; readonly arrays: readonly Described[] } | undefined
  private wanted = 4
  private stage: 'length' | 'header' | 'arrays' = 'length'

  /** @throws PlumbError PLUMB_TORCH_PROTOCOL for what is no frame. */
  push(piece: Uint8Array): Frame[] {
    this.pieces.push(piece)
    this.bytes += piece.length
    const frames: Frame[] = []
    while (this.bytes >= this.wanted) {
      const frame = this.advance(this.take(this.wanted))
      if (frame) frames.push(frame)
    }
    return frames
  }

  private advance(data: Uint8Array): Frame | undefined {
    switch (this.stage) {
      case 'length': {
        this.wanted = new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true)
        if (this.wanted > MOST_HEADER_BYTES) throw broken(`a header of ${this.wanted} bytes`)
        this.stage = 'header'
        return undefined
      }
      case 'header': {
        this.header = parseHeader(data)
        this.wanted = this.header.arrays.reduce((sum, each) => sum + bytesOf(each), 0)
        this.stage = 'arrays'
        return undefined
      }
      case 'arrays': {
        const { value, arrays } = this.header!
        let offset = 0
        const found = arrays.map((each): NumberArray => {
          // A copy of its own (which a Buffer's `slice` is not): views of four and eight bytes want to begin at multiples of them.
          const own = new Uint8Array(data.subarray(offset, (offset += bytesOf(each))))
          return new TYPES[each.dtype](own.buffer, 0, elements(each))
        })
        this.wanted = 4
        this.stage = 'length'
        return { header: value, arrays: found }
      }
    }
  }

  private take(count: number): Uint8Array {
    const all = this.pieces.length === 1 ? this.pieces[0]! : Buffer.concat(this.pieces)
    const rest = all.subarray(count)
    this.pieces = rest.length > 0 ? [rest] : []
    this.bytes = rest.length
    return all.subarray(0, count)
  }
}

function parseHeader(data: Uint8Array): { value: Readonly<Record<string, unknown>>; arrays: readonly Described[] } {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(data).toString('utf8'))
  } catch {
    throw broken(JSON.stringify(Buffer.from(data.subarray(0, 80)).toString('latin1')))
  }
  if (typeof parsed !== 'object' || parsed === null) throw broken('a header that is no object')
  const { arrays = [], ...value } = parsed as { readonly arrays?: unknown }
  if (!Array.isArray(arrays) || !arrays.every(isDescribed)) throw broken('arrays without type and shape')
  return { value, arrays }
}

function isDescribed(value: unknown): value is Described {
  const { dtype, shape } = (value ?? {}) as Partial<Described>
  return dtype !== undefined && Object.hasOwn(TYPES, dtype) && Array.isArray(shape) && shape.every((n) => Number.isSafeInteger(n) && n >= 0)
}

const elements = ({ shape }: Described) => shape.reduce((product, size) => product * size, 1)
const bytesOf = (described: Described) => elements(described) * TYPES[described.dtype].BYTES_PER_ELEMENT

function broken(what: string): PlumbError {
  return new PlumbError(
    'PLUMB_TORCH_PROTOCOL',
    `The Python process sent ${what}, which is no frame; is anything else writing to its output?`,
  )
}
