/** An exact fraction in lowest terms; the denominator is positive. */
export interface Fraction {
  readonly numerator: bigint
  readonly denominator: bigint
}

/** Numbers that need more bits than this, above or below the line, are not formed: their text is shorter than their work. */
const MAX_BITS = 4_096n
const LIMIT = 1n << MAX_BITS
/** As many decimal digits: what has more is refused before it is multiplied out. */
const MAX_DIGITS = 1_300

/** The fraction in lowest terms; undefined for a denominator of 0, and beyond the bounds. */
export function fraction(numerator: bigint, denominator = 1n): Fraction | undefined {
  if (denominator === 0n) return undefined
  if (denominator < 0n) return fraction(-numerator, -denominator)
  if (isBeyond(numerator) || isBeyond(denominator)) return undefined
  let [a, b] = [numerator < 0n ? -numerator : numerator, denominator]
  while (b !== 0n) [a, b] = [b, a % b]
  return { numerator: numerator / a, denominator: denominator / a }
}

function isBeyond(value: bigint): boolean {
  return value >= LIMIT || value <= -LIMIT
}

/** A decimal without sign and separators: `12`, `0.5`, `.5`. */
export function decimalFraction(written: string): Fraction | undefined {
  const [whole = '', places = ''] = written.split('.')
  if (whole.length + places.length > MAX_DIGITS || whole + places === '') return undefined
  return fraction(BigInt(whole + places), 10n ** BigInt(places.length))
}

export function addFractions(a: Fraction, b: Fraction): Fraction | undefined {
  return fraction(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator)
}

export function subtractFractions(a: Fraction, b: Fraction): Fraction | undefined {
  return addFractions(a, negative(b))
}

export function multiplyFractions(a: Fraction, b: Fraction): Fraction | undefined {
  return fraction(a.numerator * b.numerator, a.denominator * b.denominator)
}

export function divideFractions(a: Fraction, b: Fraction): Fraction | undefined {
  return fraction(a.numerator * b.denominator, a.denominator * b.numerator)
}

/** a to a whole power; undefined beyond the bounds, which are looked at before anything is multiplied, and for 0 to a negative one. */
export function powerOfFraction(a: Fraction, exponent: bigint): Fraction | undefined {
  const times = exponent < 0n ? -exponent : exponent
  const isUnit = a.denominator === 1n && a.numerator >= -1n && a.numerator <= 1n
  if (!isUnit && times * BigInt(bitsOf(a) - 1) > MAX_BITS) return undefined
  const small = isUnit ? times % 2n || (times === 0n ? 0n : 2n) : times
  const [top, bottom] = [a.numerator ** small, a.denominator ** small]
  return exponent < 0n ? fraction(bottom, top) : fraction(top, bottom)
}

function bitsOf({ numerator, denominator }: Fraction): number {
  const top = (numerator < 0n ? -numerator : numerator).toString(2).length
  return Math.max(top, denominator.toString(2).length)
}

/** a · 10^exponent */
export function scaleFraction(a: Fraction, exponent: number): Fraction | undefined {
  if (Math.abs(exponent) > MAX_DIGITS) return a.numerator === 0n ? a : undefined
  const power = 10n ** BigInt(Math.abs(exponent))
  return exponent >= 0 ? fraction(a.numerator * power, a.denominator) : fraction(a.numerator, a.denominator * power)
}

export function negative({ numerator, denominator }: Fraction): Fraction {
  return { numerator: -numerator, denominator }
}

export function equalFractions(a: Fraction, b: Fraction): boolean {
  return a.numerator === b.numerator && a.denominator === b.denominator
}

/** Whether |a − b| < tolerance, exactly. */
export function withinTolerance(a: Fraction, b: Fraction, tolerance: Fraction): boolean {
  const difference = a.numerator * b.denominator - b.numerator * a.denominator
  const size = difference < 0n ? -difference : difference
  return size * tolerance.denominator < tolerance.numerator * a.denominator * b.denominator
}

/** As a decimal where that ends (`1234.5`), else as `1/3`. */
export function formatFraction({ numerator, denominator }: Fraction): string {
  let rest = denominator
  let digits = 0
  for (const factor of [2n, 5n]) {
    let times = 0
    for (; rest % factor === 0n; rest /= factor) times++
    digits = Math.max(digits, times)
  }
  if (rest !== 1n) return `${numerator}/${denominator}`
  const scaled = String((numerator < 0n ? -numerator : numerator) * (10n ** BigInt(digits) / denominator)).padStart(digits + 1, '0')
  const point = scaled.length - digits
  return `${numerator < 0n ? '-' : ''}${scaled.slice(0, point)}${digits > 0 ? '.' : ''}${scaled.slice(point)}`
}
