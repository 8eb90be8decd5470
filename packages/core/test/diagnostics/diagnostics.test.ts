import { assessmentAccuracy, majorityAtK, pairedDifference, passAtK, perplexity, wilsonInterval } from '../../src'

describe('wilsonInterval', () => {
  it('has the ends that solve (p − π)² = z² π(1 − π)/n', () => {
    const z = 1.959963984540054
    for (const [successes, n] of [
      [7, 10],
      [1, 50],
      [585, 1000],
    ]) {
      for (const end of wilsonInterval(successes!, n!)) {
        expect((successes! / n! - end) ** 2).toBeCloseTo((z ** 2 * end * (1 - end)) / n!, 12)
      }
    }
  })

  it('is [0, z²/(n + z²)] without a success, and its mirror image without a failure', () => {
    const z2 = 1.959963984540054 ** 2
    expect(wilsonInterval(0, 20)[0]).toBe(0)
    expect(wilsonInterval(0, 20)[1]).toBeCloseTo(z2 / (20 + z2), 12)
    expect(wilsonInterval(20, 20)[1]).toBe(1)
    expect(wilsonInterval(20, 20)[0]).toBeCloseTo(20 / (20 + z2), 12)
    expect(wilsonInterval(0, 0)).toEqual([0, 1])
  })
})

describe('pairedDifference', () => {
  it('is the mean difference with s/√n', () => {
    // differences 1, 0, 0, −1, 1: mean 0.2, squares 0.64 + 0.04 + 0.04 + 1.44 + 0.64 = 2.8
    const { difference, standardError } = pairedDifference([1, 1, 0, 0, 1], [0, 1, 0, 1, 0])
    expect(difference).toBeCloseTo(0.2, 12)
    expect(standardError).toBeCloseTo(Math.sqrt(2.8 / 4 / 5), 12)
  })

  it('refuses samples of different sizes', () => {
    expect(() => pairedDifference([1], [])).toThrow(RangeError)
  })
})

describe('assessmentAccuracy', () => {
  it('is the mean over questions of the fraction of pairs in order, ties ½', () => {
    const questions = [
      { scores: [-1, -2, -0.5], positive: [true, false, false] }, // 1 of 2
      { scores: [-1, -1], positive: [false, true] }, // a tie
      { scores: [-1, -3, -2, -4], positive: [true, true, false, false] }, // 3 of 4
      { scores: [-1], positive: [true] }, // takes no part
    ]
    expect(assessmentAccuracy(questions)).toBeCloseTo((0.5 + 0.5 + 0.75) / 3, 12)
  })

  it('counts the pairs of different rewards where candidates are ranked', () => {
    const scores = [-1, -2, -3]
    const positive = [false, false, false]
    // pairs (0,1), (0,2), (2,1): the first two in order; then a tie of rewards, which is no pair
    expect(assessmentAccuracy([{ scores, positive, rewards: [2, -1, 0.5] }])).toBeCloseTo(2 / 3, 12)
    expect(assessmentAccuracy([{ scores, positive, rewards: [1, 1, 0] }])).toBe(1)
    expect(assessmentAccuracy([{ scores, positive, rewards: [1, 1, 1] }])).toBeUndefined()
  })

  it('is undefined where no question has both kinds', () => {
    expect(assessmentAccuracy([{ scores: [-1], positive: [false] }])).toBeUndefined()
  })
})

describe('perplexity', () => {
  it('is the geometric mean of the candidates’ perplexities', () => {
    expect(perplexity([-Math.log(2), -Math.log(8)])).toBeCloseTo(4, 12)
    expect(perplexity([])).toBeUndefined()
  })
})

describe('passAtK', () => {
  it('equals the fraction of subsets that hold a right sample, counted one by one', () => {
    const subsets = (n: number, k: number): number[][] =>
      k === 0 ? [[]] : n < k ? [] : [...subsets(n - 1, k), ...subsets(n - 1, k - 1).map((s) => [...s, n - 1])]
    for (let n = 1; n <= 6; n++) {
      for (let c = 0; c <= n; c++) {
        for (let k = 1; k <= n; k++) {
          const all = subsets(n, k)
          expect(passAtK(n, c, k)).toBeCloseTo(all.filter((s) => s.some((i) => i < c)).length / all.length, 12)
        }
      }
    }
  })

  it('is undefined for more draws than samples, finite for many', () => {
    expect(passAtK(3, 1, 4)).toBeUndefined()
    expect(passAtK(2000, 1, 1000)).toBeCloseTo(0.5, 12)
  })
})

describe('majorityAtK', () => {
  it('is whether the most frequent answer is right', () => {
    const [right, wrong] = [
      { answer: '4', right: true },
      { answer: '5', right: false },
    ]
    expect(majorityAtK([right, right, wrong])).toBe(1)
    expect(majorityAtK([right, wrong, wrong])).toBe(0)
    expect(majorityAtK([right, wrong])).toBe(0.5)
    expect(majorityAtK([right, { right: false }, { right: false }])).toBe(1)
    expect(majorityAtK([{ right: false }])).toBe(0)
  })
})
