import { webAssembly, type WasmMemory } from '@plumbline/transformer'

/**
 * The inner loops of the optimizer as a WebAssembly SIMD module, assembled here: it works in place on the memory that holds
 * weights, gradients and moments, at twice the speed of the same loops in JavaScript.
 */
export interface AdamWKernel {
  /** Σ x², in float64. Byte offset and length. */
  squares(x: number, bytes: number): number
  /**
   * One AdamW update of `bytes` bytes; clears the gradient.
   *
   * @param clip factor on the gradient
   * @param keep1 1 − β₁
   * @param beta2 β₂
   * @param keep2 1 − β₂
   * @param decay factor on the weight
   * @param stepSize learning rate / (1 − β₁ᵗ)
   * @param unbias 1 / √(1 − β₂ᵗ)
   * @returns 0 where all new weights and second moments are finite, else NaN.
   */
  update(
    weight: number,
    gradient: number,
    mean: number,
    variance: number,
    bytes: number,
    clip: number,
    keep1: number,
    beta2: number,
    keep2: number,
    decay: number,
    stepSize: number,
    unbias: number,
    epsilon: number,
  ): number
  /**
   * The same with moments in bfloat16, two bytes each: they are widened, the step is computed in float32 with moments that are not
   * rounded, and what is stored is rounded to the nearest bfloat16, ties to even. `bytes` are those of the weights.
   */
  updateBFloat16: AdamWKernel['update']
}

/** Lengths are multiples of this many bytes: one SIMD register. */
export const KERNEL_ALIGNMENT = 16

export function instantiateKernel(memory: WasmMemory): AdamWKernel {
  compiled ??= new webAssembly.Module(assemble())
  return new webAssembly.Instance(compiled, { host: { memory } }).exports as AdamWKernel
}

let compiled: object | undefined

// Opcodes (WebAssembly core specification 2.0, appendix "Index of Instructions").
const [I32, F32, F64, V128] = [0x7f, 0x7d, 0x7c, 0x7b]
const get = (local: number) => [0x20, local]
const set = (local: number) => [0x21, local]
const simd = (...op: number[]) => [0xfd, ...op]
const load = simd(0x00, 4, 0)
const store = simd(0x0b, 4, 0)
const splat = simd(0x13)
const [add, sub, mul, div, sqrt] = [simd(0xe4, 1), simd(0xe5, 1), simd(0xe6, 1), simd(0xe7, 1), simd(0xe3, 1)]
const [addF64, mulF64] = [simd(0xf0, 1), simd(0xf2, 1)]
const promoteLow = simd(0x5f)
const highHalf = simd(0x0d, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15)
const lane = (i: number) => simd(0x21, i)
const laneF32 = (i: number) => simd(0x1f, i)
const zero = simd(0x0c, ...new Array<number>(16).fill(0))
const addI32 = [0x6a]
const [addLanes, shiftLeft, shiftRight] = [simd(0xae, 1), simd(0xab, 1), simd(0xad, 1)]
/** Eight bytes: four numbers of 16 bits, one in each lane. */
const loadHalves = simd(0x04, 3, 0)
const storeHalves = [...simd(0x86, 1), ...simd(0x5b, 3, 0, 0)]
const [and, notEqual, select] = [simd(0x4e), simd(0x42), simd(0x52)]
const i32 = (value: number) => [0x41, ...signed(value)]
const lanes = (value: number) => [...i32(value), ...simd(0x11)]
/** bfloat16 is the upper half of a float32. */
const HALF = i32(16)
const QUIET_NAN = 0x7fc0

/** for (i = 0; i < bytes; i += 16) body; nothing for no bytes. */
function loop(i: number, bytes: number, body: number[]): number[] {
  const advance = [...get(i), 0x41, 16, ...addI32, 0x22, i, ...get(bytes), 0x49, 0x0d, 0]
  return [0x02, 0x40, ...get(bytes), 0x45, 0x0d, 0, 0x03, 0x40, ...body, ...advance, 0x0b, 0x0b]
}

function squaresBody(): number[] {
  const [x, bytes, i, low, high, value] = [0, 1, 2, 3, 4, 5]
  const accumulate = (sum: number, half: number[]) => {
    const promoted = [...get(value), ...half, ...promoteLow]
    return [...get(sum), ...promoted, ...promoted, ...mulF64, ...addF64, ...set(sum)]
  }
  const body = [
    ...[...get(x), ...get(i), ...addI32, ...load, ...set(value)],
    ...accumulate(low, []),
    ...accumulate(high, [...get(value), ...highHalf]),
  ]
  const total = [...get(low), ...get(high), ...addF64, ...set(low), ...get(low), ...lane(0), ...get(low), ...lane(1), 0xa0]
  return code([[1, I32], [3, V128]], [...loop(i, bytes, body), ...total]) // prettier-ignore
}

/** Replaces float32 by the bits of the nearest bfloat16, one of 16 bits in each lane; ties to even, and NaN stays NaN. */
function roundHalves(x: number): number[] {
  const bit = [...get(x), ...HALF, ...shiftRight, ...lanes(1), ...and]
  const rounded = [...get(x), ...bit, ...addLanes, ...lanes(0x7fff), ...addLanes, ...HALF, ...shiftRight]
  return [...lanes(QUIET_NAN), ...rounded, ...get(x), ...get(x), ...notEqual, ...select, ...set(x)]
}

function updateBody(moments: 'float32' | 'bfloat16'): number[] {
  const [weight, gradient, mean, variance, bytes] = [0, 1, 2, 3, 4]
  const parameters = 13
  const i = parameters
  // The scalars again, spread over a register.
  const [clip, keep1, beta2, keep2, decay, stepSize, unbias, epsilon] = [14, 15, 16, 17, 18, 19, 20, 21]
  const [g, m, v, w, finite] = [22, 23, 24, 25, 26]
  const at = (array: number) => [...get(array), ...get(i), ...addI32]
  const read = (array: number) => [...at(array), ...load]
  const atHalves = (array: number) => [...get(array), ...get(i), ...i32(1), 0x76, ...addI32]
  const isHalf = moments === 'bfloat16'
  const recall = (array: number) => (isHalf ? [...atHalves(array), ...loadHalves, ...HALF, ...shiftLeft] : read(array))
  const remember = (array: number, x: number) =>
    isHalf ? [...roundHalves(x), ...atHalves(array), ...get(x), ...get(x), ...storeHalves] : [...at(array), ...get(x), ...store]
  /** Adds 0 · x: 0 for every finite x, else NaN, which stays. */
  const watch = (x: number) => [...get(finite), ...get(x), ...zero, ...mul, ...add, ...set(finite)]
  const spread = [clip, keep1, beta2, keep2, decay, stepSize, unbias, epsilon].flatMap((local, s) => [
    ...get(5 + s),
    ...splat,
    ...set(local),
  ])
  const body = [
    ...[...read(gradient), ...get(clip), ...mul, ...set(g)],
    // m += (1 − β₁)(g − m)
    ...[...recall(mean), ...set(m), ...get(m), ...get(g), ...get(m), ...sub, ...get(keep1), ...mul, ...add, ...set(m)],
    // v = β₂ v + (1 − β₂) g²
    ...[...recall(variance), ...get(beta2), ...mul, ...get(g), ...get(g), ...mul, ...get(keep2), ...mul, ...add, ...set(v)],
    // w = decay · w − stepSize · m / (√v · unbias + ε)
    ...[...read(weight), ...get(decay), ...mul],
    ...[
      ...get(stepSize),
      ...get(m),
      ...mul,
      ...get(v),
      ...sqrt,
      ...get(unbias),
      ...mul,
      ...get(epsilon),
      ...add,
      ...div,
      ...sub,
      ...set(w),
    ],
    ...[...at(weight), ...get(w), ...store],
    ...[...at(gradient), ...zero, ...store],
    ...[...watch(w), ...watch(v)],
    ...[...remember(mean, m), ...remember(variance, v)],
  ]
  const total = [0, 1, 2, 3].flatMap((part) => [...get(finite), ...laneF32(part), ...(part > 0 ? [0x92] : [])])
  return code([[1, I32], [13, V128]], [...spread, ...loop(i, bytes, body), ...total]) // prettier-ignore
}

function code(locals: readonly (readonly number[])[], body: readonly number[]): number[] {
  const content = [...unsigned(locals.length), ...locals.flat(), ...body, 0x0b]
  return [...unsigned(content.length), ...content]
}

function assemble(): Uint8Array<ArrayBuffer> {
  const types = [
    [0x60, 2, I32, I32, 1, F64],
    [0x60, 13, ...new Array<number>(5).fill(I32), ...new Array<number>(8).fill(F32), 1, F32],
  ]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [2, ...types.flat()]),
    ...section(2, [1, ...name('host'), ...name('memory'), 0x02, 0x00, 1]),
    ...section(3, [3, 0, 1, 1]),
    ...section(7, [3, ...name('squares'), 0, 0, ...name('update'), 0, 1, ...name('updateBFloat16'), 0, 2]),
    ...section(10, [3, ...squaresBody(), ...updateBody('float32'), ...updateBody('bfloat16')]),
  ])
}

const section = (id: number, content: readonly number[]) => [id, ...unsigned(content.length), ...content]
const name = (text: string) => [text.length, ...Buffer.from(text, 'ascii')]

/** LEB128 of a number that is not negative; the sixth bit of its last byte would be a sign. */
function signed(value: number): number[] {
  return value < 64 ? [value] : [(value & 127) | 128, ...signed(value >>> 7)]
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]
}
