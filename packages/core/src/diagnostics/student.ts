/**
 * P(T ≤ t) of Student's t with a whole number of degrees of freedom, by the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4.
 */
export function studentCdf(t: number, degrees: number): number {
  if (!Number.isInteger(degrees) || degrees < 1)
    throw new RangeError(`Student's t has ${degrees} degrees of freedom; expected a whole number ≥ 1`)
  if (t === Infinity || t === -Infinity) return t > 0 ? 1 : 0
  const angle = Math.atan(t / Math.sqrt(degrees))
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)]
  const isOdd = degrees % 2 === 1
  let term = isOdd ? cosine : 1
  let sum = degrees === 1 ? 0 : term
  for (let power = isOdd ? 3 : 2; power <= degrees - 2; power += 2) {
    term *= ((power - 1) / power) * cosine ** 2
    sum += term
  }
  const central = isOdd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum
  return (1 + central) / 2
}

/** The number that Student's t stays below with probability `p`: 97.5 % by default, half-width of a 95 % interval in standard errors. */
export function studentQuantile(degrees: number, p = 0.975): number {
  if (!(p > 0 && p < 1)) throw new RangeError(`a quantile of probability ${p}; expected a number between 0 and 1`)
  if (p === 0.5) return 0
  if (p < 0.5) return -studentQuantile(degrees, 1 - p)
  let [low, high] = [0, 1]
  while (studentCdf(high, degrees) < p) high *= 2
  // until no number lies between the two
  for (let middle = (low + high) / 2; middle > low && middle < high; middle = (low + high) / 2) {
    if (studentCdf(middle, degrees) < p) low = middle
    else high = middle
  }
  return high
}
