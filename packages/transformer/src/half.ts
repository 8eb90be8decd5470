/** Numbers of 16 bits. */
export type HalfType = 'bfloat16' | 'float16'

/** By their names in safetensors files. */
export const HALF_TYPES: Readonly<Record<string, HalfType>> = { BF16: 'bfloat16', F16: 'float16' }

/** Bits of the exponent; all of them are set in infinities and NaN alone. */
const EXPONENTS: Readonly<Record<HalfType, number>> = { bfloat16: 0x7f80, float16: 0x7c00 }

/** Whether none of these numbers is NaN or infinite. */
export function allHalvesFinite(bits: Uint16Array, type: HalfType): boolean {
  const exponent = EXPONENTS[type]
  for (let i = 0; i < bits.length; i++) if ((bits[i]! & exponent) === exponent) return false
  return true
}

/** The same numbers as float32, which holds all of either kind. @param to as long as `bits` */
export function widen(bits: Uint16Array, type: HalfType, to: Float32Array): void {
  if (type === 'bfloat16') widenBFloat16(bits, to)
  else widenFloat16(bits, to)
}

/** bfloat16 is the upper half of a float32. */
function widenBFloat16(from: Uint16Array, to: Float32Array): void {
  const bits = new Uint32Array(to.buffer, to.byteOffset, to.length)
  for (let i = 0; i < from.length; i++) bits[i] = from[i]! << 16
}

/** IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits; exact in float32. */
function widenFloat16(from: Uint16Array, to: Float32Array): void {
  for (let i = 0; i < from.length; i++) {
    const exponent = (from[i]! >> 10) & 31
    const fraction = from[i]! & 1023
    const magnitude =
      exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? NaN : Infinity) : (1024 + fraction) * 2 ** (exponent - 25)
    to[i] = from[i]! & 0x8000 ? -magnitude : magnitude
  }
}
