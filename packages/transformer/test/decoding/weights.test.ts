import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { randomStreams } from '@plumbline/core'
import { expNegative } from '../../src/decoding/exponential'
import { BLOCK, BUCKETS, BUCKETS_PER_NAT, WordWeights } from '../../src/decoding/weights'

/** Rows of logits with whatever stands in them, over less than a block, whole blocks, and a part of one. */
const rows = [1, 5, BLOCK, BLOCK + 1, 1000].flatMap((words) =>
  [0.1, 4, 30].map((spread): [string, number, Float32Array] => {
    const uniform = randomStreams(words)('spread', spread)
    const logits = Float32Array.from({ length: words }, (_, id) => (id % 7 === 3 ? -Infinity : spread * (uniform() - 0.5)))
    logits[0] = 0.3
    return [`${words} words, spread over ${spread}`, words, logits]
  }),
)

describe.each(rows)('WordWeights of %s', (_, words, logits) => {
  const weights = new WordWeights(words)
  weights.logits.set(logits)
  const largest = Math.max(...logits)
  const inverse = 1 / 0.7
  const weightOf = (logit: number) => expNegative((largest - logit) * inverse)
  const blocks = Array.from({ length: Math.ceil(words / BLOCK) }, (__, block) => logits.subarray(block * BLOCK, (block + 1) * BLOCK))
  const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0)

  it('finds the largest of all and of each block', () => {
    expect(weights.largest()).toBe(largest)
    expect([...weights.maxima]).toEqual(blocks.map((block) => Math.max(...block)))
  })

  it('weighs as expNegative does, up to the order of a sum', () => {
    const expected = blocks.map((block) => sum(Float64Array.from(block, weightOf)))
    const total = weights.weigh(blocks.length, largest, inverse)
    expect(Math.abs(total / sum(expected) - 1)).toBeLessThan(1e-14)
    expected.forEach((value, block) => expect(Math.abs(weights.sums[block]! - value)).toBeLessThanOrEqual(1e-14 * total))
  })

  it('has the very bits of expNegative', () => {
    const alone = new WordWeights(1)
    const found = Float64Array.from(logits, (logit) => {
      alone.logits[0] = logit
      return alone.weigh(1, largest, inverse)
    })
    expect(found).toEqual(Float64Array.from(logits, weightOf))
  })

  it.each([-Infinity, 0.3])('adds up by depth what is not below %d', (smallest) => {
    weights.largest()
    const mass = new Float64Array(BUCKETS)
    for (const logit of logits) {
      const depth = (largest - logit) * inverse
      if (logit >= smallest) mass[Math.min(BUCKETS - 1, Math.floor(depth * BUCKETS_PER_NAT))]! += weightOf(logit)
    }
    expect(Math.abs(weights.weighByDepth(largest, inverse, smallest) / sum(mass) - 1)).toBeLessThan(1e-14)
    const worst = mass.reduce((most, value, bucket) => Math.max(most, Math.abs(weights.mass[bucket]! - value)), 0)
    expect(worst).toBeLessThanOrEqual(1e-14 * sum(mass))
  })
})

it('has no largest where a logit is NaN, wherever it stands', () => {
  for (const place of [0, 3, 6, 255, 256, 400]) {
    const weights = new WordWeights(500)
    weights.logits.fill(1, 0, 500)
    weights.logits[place] = Number.NaN
    expect(weights.largest()).toBeNaN()
  }
})

it('runs what its text says', () => {
  const script = join(__dirname, '..', '..', 'scripts', 'weights.mjs')
  expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow()
})
