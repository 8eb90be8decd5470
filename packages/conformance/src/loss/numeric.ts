/** A derivative and how far off it may be. */
export interface Slope {
  readonly value: number
  readonly error: number
  /** The plain difference at the smallest step: what a kink further away does not reach. */
  readonly finest: Omit<Slope, 'finest' | 'bend'>
  /** How much the slopes on both sides differ at the smallest step: near 0 where the function is smooth. */
  readonly bend: number
}

const SHRINK = 2
const LEVELS = 4

/**
 * f′(0) by central differences, extrapolated (Richardson) over ever smaller steps; Ridders' choice of the most consistent pair.
 * Large steps suffer from curvature and small ones from rounding: the error tells what is left of both.
 *
 * @param resolution how far off a value of f may be by rounding alone
 */
export function slopeAtZero(f: (x: number) => number, firstStep: number, resolution: number): Slope {
  const middle = f(0)
  let [value, error, bend] = [NaN, Infinity, 0]
  let finest = { value: NaN, error: Infinity }
  let previous: number[] = []
  for (let level = 0, step = firstStep; level < LEVELS; level++, step /= SHRINK) {
    const [above, below] = [f(step), f(-step)]
    const row = [(above - below) / (2 * step)]
    for (let order = 1; order <= level; order++) {
      const factor = SHRINK ** (2 * order)
      row.push((factor * row[order - 1]! - previous[order - 1]!) / (factor - 1))
      const disagreement = Math.max(Math.abs(row[order]! - row[order - 1]!), Math.abs(row[order]! - previous[order - 1]!))
      const spread = disagreement + resolution / step
      if (spread < error) [value, error] = [row[order]!, spread]
    }
    previous = row
    finest = { value: row[0]!, error: resolution / step }
    bend = Math.abs(above - 2 * middle + below) / step
  }
  return { value, error, finest, bend }
}

/** |a − b| against the larger of the two, and at least against `floor`. */
export function near(a: number, b: number, tolerance: number, floor = 1e-6): boolean {
  return Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b), floor)
}

/** The first position where two lists differ by more than `tolerance` of the largest entry of either. */
export function firstDifference(a: readonly number[], b: readonly number[], tolerance: number): number | undefined {
  const scale = Math.max(...a.map(Math.abs), ...b.map(Math.abs), 1e-6)
  const at = a.findIndex((value, n) => !(Math.abs(value - b[n]!) <= tolerance * scale))
  return at < 0 ? undefined : at
}
