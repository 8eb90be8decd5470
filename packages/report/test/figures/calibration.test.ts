import { calibration, separation } from '../../src/figures/calibration'

const of = (...pairs: readonly (readonly [number, boolean])[]) => pairs.map(([score, right]) => ({ score, right }))

describe('calibration', () => {
  it('counts what is right in bins of equally many candidates, lowest scores first', () => {
    const bins = calibration(of([-1, true], [-4, false], [-3, true], [-2, false]), 2)
    expect(bins.map(({ score, right, count, fraction }) => [score, right, count, fraction])).toEqual([
      [-3.5, 1, 2, 0.5],
      [-1.5, 1, 2, 0.5],
    ])
    // Wilson's interval of 1 of 2: (½ + z²/4) / (1 + z²/2) ± …, by hand
    expect(bins[0]?.interval[0]).toBeCloseTo(0.0945, 4)
    expect(bins[0]?.interval[1]).toBeCloseTo(0.9055, 4)
  })

  it('keeps equal scores in one bin, and has no empty ones', () => {
    const bins = calibration(of([-1, true], [-1, false], [-1, false], [-2, true]), 4)
    expect(bins.map(({ score, count }) => [score, count])).toEqual([
      [-2, 1],
      [-1, 3],
    ])
    expect(calibration([])).toEqual([])
  })
})

describe('separation', () => {
  it('is the fraction of (right, wrong) pairs in order, a tie counting half', () => {
    // right −1 and −3 against wrong −2 and −3: 1 + 1 + 0 + ½ of 4
    expect(separation(of([-1, true], [-2, false], [-3, true], [-3, false]))).toBe(2.5 / 4)
    expect(separation(of([-1, true], [-2, false]))).toBe(1)
    expect(separation(of([-2, true], [-1, false]))).toBe(0)
  })

  it('is undefined without both kinds', () => {
    expect(separation(of([-1, true]))).toBeUndefined()
    expect(separation([])).toBeUndefined()
  })

  it('equals the count over all pairs', () => {
    const many = Array.from({ length: 60 }, (_, n) => ({ score: -((n * 37) % 17), right: (n * 13) % 3 === 0 }))
    const [right, wrong] = [many.filter((each) => each.right), many.filter((each) => !each.right)]
    const wins = right.flatMap((r) => wrong.map((w) => (r.score > w.score ? 1 : r.score === w.score ? 0.5 : 0)))
    expect(separation(many)).toBeCloseTo(wins.reduce<number>((sum, win) => sum + win, 0) / wins.length, 12)
  })
})
