import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HeldTensor, HeldWeights } from '../../src/runtime/held-tensor'
import { readSafetensors, toBFloat16, widen, writeSafetensors, type HalfType } from '@plumbline/transformer'

/**
 * A model folder twice, with the same numbers: stored with 16 bits a number, and stored as float32.
 * @param path the model whose numbers are rounded; it is left alone.
 */
export async function storedTwice(
  path: string,
  type: HalfType,
  into: string,
): Promise<{ readonly half: string; readonly float32: string }> {
  const [half, float32] = [join(into, `${type}-half`), join(into, `${type}-float32`)]
  const weights = await readSafetensors(join(path, 'model.safetensors'))
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  const parts: Buffer[] = []
  let offset = 0
  const widened = new Map<string, { shape: readonly number[]; data: Float32Array }>()
  for (const [name, { shape, data }] of weights) {
    const bits = rounded(data, type)
    header[name] = { dtype: type === 'bfloat16' ? 'BF16' : 'F16', shape, data_offsets: [offset, (offset += bits.byteLength)] }
    parts.push(Buffer.from(bits.buffer, bits.byteOffset, bits.byteLength))
    const numbers = new Float32Array(data.length)
    widen(bits, type, numbers)
    widened.set(name, { shape, data: numbers })
  }
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  for (const folder of [half, float32]) cpSync(path, folder, { recursive: true })
  writeFileSync(join(half, 'model.safetensors'), Buffer.concat([length, json, ...parts]))
  await writeSafetensors(join(float32, 'model.safetensors'), widened)
  return { half, float32 }
}

/** The same weights as bits and as float32; vectors are float32 in both, as an engine holds them. */
export function roundedWeights(weights: HeldWeights, type: HalfType): [HeldWeights, HeldWeights] {
  const [halves, floats] = [new Map<string, HeldTensor>(), new Map<string, HeldTensor>()]
  for (const [name, { shape, data }] of weights) {
    const bits = rounded(data as Float32Array, type)
    const numbers = new Float32Array(data.length)
    widen(bits, type, numbers)
    floats.set(name, { shape, data: numbers })
    halves.set(name, shape.length > 1 ? { shape, data: bits, half: type } : { shape, data: numbers })
  }
  return [halves, floats]
}

const rounded = (data: Float32Array, type: HalfType) => (type === 'bfloat16' ? toBFloat16(data) : toFloat16(data))

/** By truncation, which is as good as rounding where both folders are made from the result. */
function toFloat16(numbers: Float32Array): Uint16Array {
  return Uint16Array.from(numbers, (value) => {
    const sign = value < 0 ? 0x8000 : 0
    const magnitude = Math.abs(value)
    const exponent = Math.floor(Math.log2(magnitude))
    if (exponent > 15) throw new RangeError(`${value} is no float16`)
    if (exponent < -14) return sign | Math.floor(magnitude * 2 ** 24)
    return sign | ((exponent + 15) << 10) | Math.floor((magnitude / 2 ** exponent - 1) * 1024)
  })
}

export const fileOf = (folder: string, name: string) => readFileSync(join(folder, name))
