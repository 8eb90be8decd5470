/** What numbers are stored as when a model is written. */
export type StoredType = 'float32' | 'bfloat16'

const EXPONENT = 0x7f80_0000

/**
 * The nearest bfloat16 of each number, as bits; of two equally near ones the even one, as PyTorch rounds. NaN stays NaN; numbers beyond the
 * largest bfloat16 become infinite.
 */
export function toBFloat16(numbers: Float32Array): Uint16Array {
  const bits = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length)
  return Uint16Array.from(bits, (value) => {
    // Rounding up might carry a NaN's fraction away.
    if ((value & EXPONENT) === EXPONENT) return (value >>> 16) | ((value & 0xffff) === 0 ? 0 : 0x40)
    return (value + 0x7fff + ((value >>> 16) & 1)) >>> 16
  })
}
