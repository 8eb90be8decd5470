import {
  addFractions,
  decimalFraction,
  divideFractions,
  formatFraction,
  fraction,
  powerOfFraction,
  scaleFraction,
} from '../../src/util/fraction'
import type { Fraction } from '../../src/util/fraction'

const of = (numerator: number, denominator = 1) => fraction(BigInt(numerator), BigInt(denominator)) as Fraction
const text = (value: Fraction | undefined) => value && formatFraction(value)

it.each<[string, Fraction | undefined, string | undefined]>([
  ['lowest terms', of(6, 8), '0.75'],
  ['a sign below the line', of(1, -3), '-1/3'],
  ['zero', of(0, 5), '0'],
  ['1/0', fraction(1n, 0n), undefined],
  ['1/3 + 1/6', addFractions(of(1, 3), of(1, 6)), '0.5'],
  ['1 divided by 0', divideFractions(of(1), of(0)), undefined],
  ['(2/3)^3', powerOfFraction(of(2, 3), 3n), '8/27'],
  ['2^-2', powerOfFraction(of(2), -2n), '0.25'],
  ['0^-1', powerOfFraction(of(0), -1n), undefined],
  ['0^0', powerOfFraction(of(0), 0n), '1'],
  ['(-1)^(10^30)', powerOfFraction(of(-1), 10n ** 30n), '1'],
  ['(-1)^(10^30 + 1)', powerOfFraction(of(-1), 10n ** 30n + 1n), '-1'],
  ['2^100', powerOfFraction(of(2), 100n), '1267650600228229401496703205376'],
  ['0.125', decimalFraction('0.125'), '0.125'],
  ['.5', decimalFraction('.5'), '0.5'],
  ['nothing', decimalFraction(''), undefined],
  ['1.5 times 10^3', scaleFraction(of(3, 2), 3), '1500'],
  ['1.5 times 10^-3', scaleFraction(of(3, 2), -3), '0.0015'],
])('%s', (_, value, expected) => {
  expect(text(value)).toBe(expected)
})

it('forms nothing beyond its bounds', () => {
  let tower: Fraction | undefined = of(9)
  for (let level = 0; level < 5; level++) tower &&= powerOfFraction(tower, 64n)
  expect(tower).toBeUndefined()
  expect(powerOfFraction(of(2), 10n ** 100n)).toBeUndefined()
  expect(scaleFraction(of(1), 1e9)).toBeUndefined()
  expect(decimalFraction('9'.repeat(1_000_000))).toBeUndefined()
  expect(powerOfFraction(of(1, 2), 1n << 20n)).toBeUndefined()
})
