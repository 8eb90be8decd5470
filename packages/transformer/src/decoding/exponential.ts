/** Table entries per factor of two. */
const STEPS = 64
/** 2^(−j / STEPS), down to 2^−64. `weights.wat` reads them too. */
export const POWERS = Float64Array.from({ length: STEPS * 64 }, (_, j) => 2 ** (-j / STEPS))
const STEPS_PER_UNIT = STEPS / Math.LN2
const UNITS_PER_STEP = Math.LN2 / STEPS

/**
 * e^−x for x ≥ 0, to a relative error of 2e-12; exactly 0 beyond x = 44, where it no longer counts in a float64 sum with 1.
 * Four times as fast as `Math.exp`, and the same bits on every machine, as the kernel has them that computes those of a whole vocabulary
 * (`WordWeights`). NaN gives NaN.
 */
export function expNegative(x: number): number {
  if (x > 44) return 0
  const j = (x * STEPS_PER_UNIT) | 0
  const r = j * UNITS_PER_STEP - x // in (−ln2/64, 0]
  return POWERS[j]! * (1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24)))))
}
