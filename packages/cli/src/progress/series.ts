const MOST = 256

/** The course of a figure, in bounded memory: once it is full, each two neighbours become their mean. */
export class Series {
  private readonly means: number[] = []
  private each = 1
  private sum = 0
  private count = 0
  last: number | undefined

  add(value: number): void {
    if (!Number.isFinite(value)) return
    this.last = value
    this.sum += value
    this.count++
    if (this.count < this.each) return
    this.means.push(this.sum / this.count)
    this.sum = 0
    this.count = 0
    if (this.means.length < MOST) return
    const halved = Array.from({ length: MOST / 2 }, (_, n) => (this.means[2 * n]! + this.means[2 * n + 1]!) / 2)
    this.means.splice(0, MOST, ...halved)
    this.each *= 2
  }

  /** At most `count` points, each the mean of a stretch of the course. */
  points(count: number): number[] {
    const all = this.count > 0 ? [...this.means, this.sum / this.count] : this.means
    if (all.length <= count) return [...all]
    return Array.from({ length: count }, (_, n) => {
      const stretch = all.slice(Math.floor((n * all.length) / count), Math.floor(((n + 1) * all.length) / count))
      return stretch.reduce((sum, value) => sum + value, 0) / stretch.length
    })
  }
}

/** The points as signs, the least of them the lowest and the greatest the highest. */
export function sparkline(points: readonly number[], signs: readonly string[]): string {
  if (signs.length === 0 || points.length < 2) return ''
  const [least, greatest] = [Math.min(...points), Math.max(...points)]
  const middle = signs[Math.floor((signs.length - 1) / 2)] ?? ''
  if (greatest === least) return middle.repeat(points.length)
  return points.map((value) => signs[Math.round(((value - least) / (greatest - least)) * (signs.length - 1))] ?? '').join('')
}
