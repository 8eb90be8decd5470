/** How figures are written, all over the page. */
export const ABSENT = '–'

export function percent(fraction: number | undefined, digits = 1): string {
  return fraction === undefined ? ABSENT : `${minus((100 * fraction).toFixed(digits))} %`
}

export function fixed(value: number | undefined, digits = 3): string {
  return value === undefined ? ABSENT : minus(value.toFixed(digits))
}

/** A difference, in points. */
export function points(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(100 * value).toFixed(1)}`
}

export function range([from, to]: readonly [number, number]): string {
  return `${(100 * from).toFixed(1)}–${(100 * to).toFixed(1)}`
}

const whole = new Intl.NumberFormat('en-GB')
export const count = (value: number): string => whole.format(value)

export function duration(seconds: number): string {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), Math.floor(seconds % 60)]
  const two = (value: number) => String(value).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** A minus sign is as wide as a plus sign; a hyphen is not. */
const minus = (text: string): string => text.replace('-', '−')
