import {
  changedAnswers,
  differenceOverSeeds,
  holmAdjusted,
  judged,
  overallVerdict,
  randomStreams,
  studentCdf,
  studentQuantile,
  type Claimed,
  type OverSeeds,
} from '../../src'

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
const variance = (values: readonly number[]) => {
  const centre = mean(values)
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1)
}

/** Standard normal draws (Box and Muller). */
function normals(seed: number): () => number {
  const unit = randomStreams(seed)('normals')
  return () => Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit())
}

describe('Student’s t', () => {
  it('knows its 97.5 % quantiles', () => {
    // scipy.stats.t.ppf(0.975, df)
    const reference = { 1: 12.7062047, 2: 4.3026527, 4: 2.7764451, 9: 2.2621572, 20: 2.0859634, 60: 2.0002978, 999: 1.9623415 }
    for (const [degrees, value] of Object.entries(reference)) expect(studentQuantile(Number(degrees))).toBeCloseTo(value, 6)
  })

  it('has the closed forms of one and two degrees of freedom', () => {
    for (const t of [-3, -0.5, 0, 0.1, 2, 40]) {
      expect(studentCdf(t, 1)).toBeCloseTo(0.5 + Math.atan(t) / Math.PI, 14)
      expect(studentCdf(t, 2)).toBeCloseTo(0.5 + t / (2 * Math.sqrt(2 + t * t)), 14)
    }
  })

  it('is its own inverse, and symmetric', () => {
    for (const degrees of [1, 2, 3, 4, 7, 30]) {
      for (const p of [0.001, 0.2, 0.5, 0.9, 0.99]) expect(studentCdf(studentQuantile(degrees, p), degrees)).toBeCloseTo(p, 12)
      expect(studentQuantile(degrees, 0.1)).toBe(-studentQuantile(degrees, 0.9))
    }
  })

  it('refuses what it is not', () => {
    expect(() => studentCdf(1, 0)).toThrow('0 degrees of freedom')
    expect(() => studentQuantile(3, 1)).toThrow('probability 1')
  })
})

describe('differenceOverSeeds', () => {
  it('is the t interval of the seeds’ means where questions say nothing more', () => {
    // every question of a seed differs by the same: −1, 0, 4
    const means = [-1, 0, 4]
    const found = differenceOverSeeds(
      means.map((value) => Array<number>(50).fill(value)),
      { resamples: 10_000 },
    )
    const half = (4.3026527 * Math.sqrt(7)) / Math.sqrt(3)
    expect(found.difference).toBe(1)
    expect(found.degrees).toBe(2)
    expect(found.covers).toBe('questions and seeds')
    expect(found.interval[1] - 1).toBeCloseTo(half, 0)
    expect(Math.abs(found.standardError / Math.sqrt(7 / 3) - 1)).toBeLessThan(0.02)
    expect(found.effectSize).toBeCloseTo(1 / Math.sqrt(7), 12)
  })

  it('has the standard error of its closed form, max(V_b, w)/S, on either side', () => {
    for (const [spread, name] of [
      [0, 'seeds alike'],
      [0.3, 'seeds apart'],
    ] as const) {
      const normal = normals(7)
      const seeds = Array.from({ length: 5 }, () => {
        const effect = spread * normal()
        return Array.from({ length: 60 }, () => effect + normal())
      })
      const ofSeeds = variance(seeds.map(mean))
      const ofQuestions = mean(seeds.map((own) => variance(own) / own.length))
      const expected = Math.sqrt(Math.max(ofSeeds, ofQuestions) / 5)
      const { standardError } = differenceOverSeeds(seeds, { resamples: 8_000 })
      expect([name, Math.abs(standardError / expected - 1) < 0.03]).toEqual([name, true])
    }
  })

  it('covers the truth of a balanced normal world as often as it says, and not less where seeds do not differ', () => {
    const coverage = (spread: number): number => {
      const normal = normals(11)
      let covered = 0
      for (let world = 0; world < 400; world++) {
        const seeds = Array.from({ length: 4 }, () => {
          const effect = 0.5 + spread * normal()
          return Array.from({ length: 25 }, () => effect + normal())
        })
        const [low, high] = differenceOverSeeds(seeds, { resamples: 200, seed: world }).interval
        if (low <= 0.5 && 0.5 <= high) covered++
      }
      return covered / 400
    }
    // the binomial standard error is 0.01
    const apart = coverage(0.5)
    expect(apart).toBeGreaterThan(0.92)
    expect(apart).toBeLessThan(0.98)
    expect(coverage(0)).toBeGreaterThan(0.94)
  })

  it('is the paired interval over questions with one seed, and says so', () => {
    const own = [1, 0, 0, -1, 1, 1, 0, 0, 1, 0]
    const found = differenceOverSeeds([own], { resamples: 10_000 })
    expect(found.covers).toBe('questions')
    expect(found.degrees).toBe(9)
    expect(Math.abs(found.standardError / Math.sqrt(variance(own) / 10) - 1)).toBeLessThan(0.02)
    expect(found.effectSize).toBeUndefined()
  })

  it('gives the same for a seed of its own', () => {
    const seeds = [
      [1, 0, 1, 1],
      [0, 0, 1, -1],
    ]
    expect(differenceOverSeeds(seeds)).toEqual(differenceOverSeeds(seeds))
    expect(differenceOverSeeds(seeds, { seed: 1 }).standardError).not.toBe(differenceOverSeeds(seeds).standardError)
  })

  it('knows no difference where there is none, and refuses what has no spread to know', () => {
    expect(
      differenceOverSeeds([
        [0, 0],
        [0, 0],
      ]),
    ).toMatchObject({ difference: 0, standardError: 0, pValue: 1 })
    expect(() => differenceOverSeeds([])).toThrow('no seed')
    expect(() => differenceOverSeeds([[1, 2], [1]])).toThrow('seed 1 has fewer than two questions')
  })
})

it('counts the answers that changed', () => {
  expect(changedAnswers([1, 1, 1, 0, -1, 0])).toEqual({ onlyFirst: 3, onlySecond: 1, oddsRatio: 3.5 / 1.5 })
})

describe('several comparisons', () => {
  it('are corrected as Holm’s procedure says', () => {
    // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), 'holm')
    const adjusted = holmAdjusted([0.01, 0.04, 0.03, 0.005])
    for (const [c, value] of [0.03, 0.06, 0.06, 0.02].entries()) expect(adjusted[c]).toBeCloseTo(value, 12)
    expect(holmAdjusted([0.6, 0.7])).toEqual([1, 1])
  })

  const found = (difference: number, standardError: number, covers: OverSeeds['covers'] = 'questions and seeds'): OverSeeds => {
    const degrees = 4
    const half = studentQuantile(degrees) * standardError
    const pValue = 2 * studentCdf(-Math.abs(difference) / standardError, degrees)
    return { difference, standardError, degrees, pValue, covers, seeds: [], interval: [difference - half, difference + half] }
  }
  const above: Claimed = { direction: 'above', smallest: 0.02 }
  const verdict = (of: OverSeeds, claimed: Claimed) => judged([{ found: of, claimed }])[0]!.verdict

  it('are judged by the stated rule', () => {
    expect(verdict(found(0.03, 0.005), above)).toBe('reproduced')
    expect(verdict(found(-0.03, 0.005), above)).toBe('opposite')
    expect(verdict(found(0.002, 0.005), above)).toBe('not')
    expect(verdict(found(0.01, 0.02), above)).toBe('cannot tell')
    expect(verdict(found(-0.03, 0.005), { ...above, direction: 'below' })).toBe('reproduced')
    expect(verdict(found(0.002, 0.005), { ...above, direction: 'below' })).toBe('not')
    // of one seed nothing is said
    expect(verdict(found(0.03, 0.001, 'questions'), above)).toBe('cannot tell')
  })

  it('are harder to reproduce the more of them there are', () => {
    const one = found(0.03, 0.009)
    expect(verdict(one, above)).toBe('reproduced')
    const many = judged(Array.from({ length: 5 }, (_, n) => ({ found: n === 0 ? one : found(0.001, 0.02), claimed: above })))
    expect(many[0]!.adjustedP).toBeCloseTo(5 * one.pValue, 12)
    expect(many[0]!.verdict).toBe('cannot tell')
    const single = judged([{ found: one, claimed: above }])[0]!
    expect(single.simultaneous).toEqual(one.interval)
    expect(many[0]!.simultaneous[0]).toBeLessThan(one.interval[0])
  })

  it('make one claim', () => {
    expect(overallVerdict(['reproduced', 'reproduced'])).toBe('reproduced')
    expect(overallVerdict(['reproduced', 'opposite'])).toBe('cannot tell')
    expect(overallVerdict(['not', 'opposite'])).toBe('opposite')
    expect(overallVerdict(['not', 'cannot tell'])).toBe('not')
    expect(overallVerdict([])).toBe('cannot tell')
  })
})
