import { meanOf } from '../../src/figures/over-runs'

it('gives the mean over runs and its interval', () => {
  // 1, 2, 3: mean 2, s = 1, t(2) = 4.302653, half = t / √3
  const of = meanOf([1, 2, 3])
  expect(of?.mean).toBe(2)
  expect(of?.interval?.[0]).toBeCloseTo(2 - 4.30265 / Math.sqrt(3), 4)
  expect(of?.interval?.[1]).toBeCloseTo(2 + 4.30265 / Math.sqrt(3), 4)
  expect(meanOf([5])).toEqual({ mean: 5, values: [5] })
  expect(meanOf([])).toBeUndefined()
})
