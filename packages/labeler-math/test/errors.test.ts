import { errorsOf, labelers, PAIRS } from './measure'

/**
 * Measured errors, per half of the pairs. What was measured is held as a bound; docs/labels.md reports it.
 * `later` was written when the labeler stood, and nothing was changed after it was first tried.
 */
const MEASURED = {
  tuning: { pairs: 184, falseRight: 0, falseWrong: 0, unparsedEqual: 0, unparsedDifferent: 11 },
  heldout: { pairs: 185, falseRight: 0, falseWrong: 1, unparsedEqual: 2, unparsedDifferent: 10 },
  later: { pairs: 50, falseRight: 0, falseWrong: 0, unparsedEqual: 2, unparsedDifferent: 0 },
} as const

test.each(['tuning', 'heldout', 'later'] as const)('the errors on the pairs "%s" are those that were measured', async (half) => {
  const pairs = PAIRS.filter((pair) => pair.half === half)
  const { falseRight, falseWrong, unparsedEqual, unparsedDifferent } = await errorsOf(pairs, labelers.math)
  expect(falseRight.map(({ expected, given }) => `${expected} | ${given}`)).toEqual([])
  const { pairs: count, ...bounds } = MEASURED[half]
  expect(pairs).toHaveLength(count)
  expect(falseWrong.length).toBeLessThanOrEqual(bounds.falseWrong)
  expect(unparsedEqual.length).toBeLessThanOrEqual(bounds.unparsedEqual)
  expect(unparsedDifferent.length).toBeLessThanOrEqual(bounds.unparsedDifferent)
})

test('without it a third of the equal pairs is called wrong', async () => {
  const { falseRight, falseWrong } = await errorsOf(PAIRS, labelers.answer)
  expect({ falseRight: falseRight.length, falseWrong: falseWrong.length }).toEqual({ falseRight: 6, falseWrong: 143 })
})

test('what is expected is equal to itself, and nothing is false the other way round', async () => {
  const turned = PAIRS.map(({ expected, given, ...pair }) => ({ ...pair, expected: given, given: expected }))
  const themselves = PAIRS.map((pair) => ({ ...pair, given: pair.expected, equal: true }))
  expect((await errorsOf(turned, labelers.math)).falseRight).toEqual([])
  const { falseWrong } = await errorsOf(themselves, labelers.math)
  expect(falseWrong).toEqual([])
})
