import { meanOf, studentQuantile } from '../../src/figures/over-runs'

it('knows the 97.5 % quantiles of Student’s t', () => {
  // scipy.stats.t.ppf(0.975, df)
  const reference = {
    1: 12.706205,
    2: 4.302653,
    4: 2.776445,
    9: 2.262157,
    10: 2.228139,
    11: 2.200985,
    12: 2.178813,
    20: 2.085963,
    60: 2.000298,
    1000: 1.962339,
  }
  for (const [degrees, value] of Object.entries(reference)) expect(Math.abs(studentQuantile(Number(degrees)) - value)).toBeLessThan(1e-4)
})

it('gives the mean over runs and its interval', () => {
  // 1, 2, 3: mean 2, s = 1, t(2) = 4.302653, half = t / √3
  const of = meanOf([1, 2, 3])
  expect(of?.mean).toBe(2)
  expect(of?.interval?.[0]).toBeCloseTo(2 - 4.30265 / Math.sqrt(3), 4)
  expect(of?.interval?.[1]).toBeCloseTo(2 + 4.30265 / Math.sqrt(3), 4)
  expect(meanOf([5])).toEqual({ mean: 5, values: [5] })
  expect(meanOf([])).toBeUndefined()
})
