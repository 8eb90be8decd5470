import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomStreams } from '@plumbline/core'
import { TokenChooser, type TokenSampling } from '../../src/decoding'

interface WarperCase extends Required<TokenSampling> {
  readonly logits: number[]
  readonly probabilities: number[]
}

const warperCases = JSON.parse(readFileSync(join(__dirname, 'fixtures/warpers.json'), 'utf8')) as WarperCase[]

/** Walks the unit interval in even steps; the share of steps at which a token is chosen is its probability to 1/steps. */
function shares(chooser: TokenChooser, logits: Float32Array, steps: number): number[] {
  const counts = new Array<number>(logits.length).fill(0)
  for (let i = 0; i < steps; i++) counts[chooser.choose(logits, (i + 0.5) / steps)]!++
  return counts.map((count) => count / steps)
}

function kept(logits: readonly number[], sampling: TokenSampling): number[] {
  const row = Float32Array.from(logits)
  return shares(new TokenChooser(row.length, sampling), row, 1000).flatMap((share, id) => (share > 0 ? [id] : []))
}

/** Logits whose softmax is these probabilities. */
const logs = (probabilities: readonly number[]) => probabilities.map(Math.log)

describe('TokenChooser', () => {
  it('takes the likeliest token at temperature 0, the lowest id on ties', () => {
    const chooser = new TokenChooser(4, { temperature: 0 })
    expect(chooser.choose(Float32Array.of(1, 3, 3, 2), 0.999)).toBe(1)
    expect(chooser.choose(Float32Array.of(-5, -Infinity, -4, -4), 0)).toBe(2)
  })

  it.each(
    warperCases.map((c) => [`temperature ${c.temperature}, top-k ${c.topK}, top-p ${c.topP}, ${c.logits.length} tokens`, c] as const),
  )('has the probabilities of the warpers of transformers: %s', (_, { logits, probabilities, ...sampling }) => {
    const row = Float32Array.from(logits)
    const steps = 1000
    const found = shares(new TokenChooser(row.length, sampling), row, steps)
    found.forEach((share, id) => expect(Math.abs(share - probabilities[id]!)).toBeLessThanOrEqual(1.001 / steps))
    // A token outside the set is never drawn.
    expect(found.every((share, id) => share === 0 || probabilities[id]! > 0)).toBe(true)
  })

  it('puts the tokens on the unit interval in the order of their ids', () => {
    const chooser = new TokenChooser(3, { temperature: 1 })
    const row = Float32Array.from(logs([0.5, 0.25, 0.25]))
    expect([0, 0.499, 0.501, 0.749, 0.751, 1 - 2 ** -53].map((u) => chooser.choose(row, u))).toEqual([0, 0, 1, 1, 2, 2])
  })

  it('keeps the smallest set that reaches p, and at least one token', () => {
    const row = logs([0.1, 0.4, 0.2, 0.3])
    expect(kept(row, { temperature: 1, topP: 0.69 })).toEqual([1, 3])
    expect(kept(row, { temperature: 1, topP: 0.71 })).toEqual([1, 2, 3])
    expect(kept(row, { temperature: 1, topP: 0.39 })).toEqual([1])
    expect(kept(row, { temperature: 1, topP: 0 })).toEqual([1])
    expect(kept(row, { temperature: 1, topP: 1 })).toEqual([0, 1, 2, 3])
  })

  it('keeps all when p is within rounding of 1, and takes equally likely tokens by id', () => {
    expect(kept([1, 2, 3, 4], { temperature: 1, topP: 1 - 2 ** -53 })).toEqual([0, 1, 2, 3])
    expect(kept([2, 2, 2, 2], { temperature: 1, topP: 0.5 })).toEqual([0, 1])
    expect(kept([1, 5, 5, 5], { temperature: 1, topP: 0.5, topK: 2 })).toEqual([1, 2])
  })

  it('keeps the k likeliest, and ties with the k-th', () => {
    expect(kept([1, 4, 2, 3], { temperature: 1, topK: 2 })).toEqual([1, 3])
    expect(kept([1, 2, 2, 3], { temperature: 1, topK: 2 })).toEqual([1, 2, 3])
    expect(kept([1, 2, 2, 3], { temperature: 1, topK: 0 })).toEqual([0, 1, 2, 3])
    expect(kept([1, 2, 2, 3], { temperature: 1, topK: 9 })).toEqual([0, 1, 2, 3])
  })

  it('renormalises after top-k before it applies top-p', () => {
    // Of the top two (0.4 and 0.3) the first alone has 0.571.
    const row = logs([0.1, 0.4, 0.2, 0.3])
    expect(kept(row, { temperature: 1, topK: 2, topP: 0.57 })).toEqual([1])
    expect(kept(row, { temperature: 1, topK: 2, topP: 0.58 })).toEqual([1, 3])
  })

  it('draws with the softmax of logits over temperature (chi-square, 20,000 draws)', () => {
    const logits = Float32Array.of(0, 1, -1, 2, 0.5, -3, 1.5, 0.25)
    const temperature = 0.8
    const weights = Array.from(logits, (l) => Math.exp(l / temperature))
    const total = weights.reduce((a, b) => a + b)
    const chooser = new TokenChooser(8, { temperature })
    const uniform = randomStreams(11)('question', 0)
    const draws = 20_000
    const counts = new Array<number>(8).fill(0)
    for (let i = 0; i < draws; i++) counts[chooser.choose(logits, uniform())]!++
    const chiSquare = counts.reduce((sum, count, id) => {
      const expected = (draws * weights[id]!) / total
      return sum + (count - expected) ** 2 / expected
    }, 0)
    expect(chiSquare).toBeLessThan(24.32) // 0.999 quantile, 7 degrees of freedom
  })

  it('is exact to the last token of a large, flat vocabulary', () => {
    const row = new Float32Array(32_000)
    const chooser = new TokenChooser(row.length, { temperature: 1 })
    for (const id of [0, 1, 777, 31_998, 31_999]) expect(chooser.choose(row, (id + 0.5) / row.length)).toBe(id)
  })

  it.each([
    ['NaN', [0, Number.NaN, 1]],
    ['+Infinity', [0, Infinity, 1]],
    ['only −Infinity', [-Infinity, -Infinity, -Infinity]],
  ])('refuses logits with %s', (_, logits) => {
    for (const temperature of [0, 1]) {
      const chooser = new TokenChooser(3, { temperature })
      expect(() => chooser.choose(Float32Array.from(logits), 0.5)).toThrow(expect.objectContaining({ code: 'PLUMB_NON_FINITE_LOGITS' }))
    }
  })
})
