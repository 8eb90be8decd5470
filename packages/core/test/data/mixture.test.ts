import { drawsOf, Mixture } from '../../src/data/mixture'
import type { GroupRecord } from '../../src/seams/records'
import { randomStreams } from '../../src/util/random'
import { failure } from '../support/files'

const records = (name: string, size: number): GroupRecord[] =>
  Array.from({ length: size }, (_, n) => ({ id: `${name}/${n}`, prompt: 'p', candidates: [] }))
const ids = (mixture: Mixture): string[] => Array.from(mixture, ({ id }) => id)

/** By hand: the shares are 2/3 and 1/3, and so on. */
test.each<[number[], number[], 'under' | 'over', number[]]>([
  [[100, 100], [2, 1], 'under', [100, 50]],
  [[100, 100], [2, 1], 'over', [200, 100]],
  [[100, 1000], [1, 1], 'under', [100, 100]],
  [[100, 1000], [1, 1], 'over', [1000, 1000]],
  [[10, 20, 30], [0.5, 0.25, 0.25], 'under', [10, 5, 5]],
  [[10, 20, 30], [0.5, 0.25, 0.25], 'over', [60, 30, 30]],
  [[7, 9], [7, 9], 'under', [7, 9]],
  [[1000, 10], [0.001, 1], 'under', [1, 10]],
])('of %j with weights %j, %s: %j', (sizes, weights, strategy, drawn) => {
  expect(drawsOf(sizes, weights, strategy)).toEqual(drawn)
})

test('only the proportions of weights count', () => {
  for (const factor of [0.01, 3, 1e6]) {
    expect(drawsOf([13, 77, 50], [1 * factor, 2 * factor, 5 * factor], 'under')).toEqual(drawsOf([13, 77, 50], [1, 2, 5], 'under'))
  }
})

test('a part is drawn without repetition, in its order, the same for a seed and another for another', () => {
  const drawn = (seed: number): string[] => {
    const mixture = new Mixture()
    mixture.add(records('a', 50), 20, randomStreams(seed)('x'), 'a')
    return ids(mixture)
  }
  const numbers = drawn(1).map((id) => Number(id.slice(2)))
  expect(new Set(numbers).size).toBe(20)
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
  expect(drawn(1)).toEqual(drawn(1))
  expect(drawn(1)).not.toEqual(drawn(2))
})

test('every record is as likely to be drawn as every other', () => {
  const counts = new Array<number>(10).fill(0)
  const uniform = randomStreams(3)('x')
  for (let round = 0; round < 2000; round++) {
    const mixture = new Mixture()
    mixture.add(records('a', 10), 3, uniform, 'a')
    for (const id of ids(mixture)) counts[Number(id.slice(2))]! += 1
  }
  // 600 each with a standard deviation of √(2000 · 0.3 · 0.7) = 20.5; six of them.
  for (const count of counts) expect(Math.abs(count - 600)).toBeLessThan(123)
})

test('what is repeated has ids of its own, and random access agrees with iteration', () => {
  const mixture = new Mixture()
  mixture.add(records('a', 2), 5, randomStreams(0)('x'), 'a')
  mixture.add(records('b', 3), 3, () => 0, 'b')
  const found = ids(mixture)
  expect(found.slice(0, 4)).toEqual(['a/0', 'a/1', 'a/0#2', 'a/1#2'])
  expect(found[4]).toMatch(/^a\/[01]#3$/)
  expect(found.slice(5)).toEqual(['b/0', 'b/1', 'b/2'])
  expect(Array.from({ length: 9 }, (_, n) => mixture.at(n)?.id)).toEqual([...found, undefined])
  expect(mixture.length).toBe(8)
})

test('a weight that would repeat a file thousands of times is refused', async () => {
  expect(await failure(() => new Mixture().add(records('a', 1), 5000, () => 0, 'data.train.a'))).toMatchObject({
    code: 'PLUMB_DATA_MIXTURE',
    message: expect.stringMatching(/^For its weight every record of data\.train\.a would be repeated 5000 times/) as string,
  })
})
