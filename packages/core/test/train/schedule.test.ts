import { learningRateAt } from '../../src'

const base = { learningRate: 2, warmupSteps: 0, finalLearningRateRatio: 0 }

describe('learningRateAt', () => {
  it('stays constant', () => {
    expect([0, 5, 99].map((step) => learningRateAt(step, 100, { ...base, schedule: 'constant' }))).toEqual([2, 2, 2])
  })

  it('falls linearly to the given fraction', () => {
    const config = { ...base, schedule: 'linear', finalLearningRateRatio: 0.5 } as const
    expect([0, 1, 2, 3, 4].map((step) => learningRateAt(step, 4, config))).toEqual([2, 1.75, 1.5, 1.25, 1])
  })

  it('falls as half a cosine', () => {
    const config = { ...base, schedule: 'cosine' } as const
    // (1 + cos(π t)) at t = 0, 1/3, 1/2, 2/3, 1
    const expected = [2, 1.5, 1, 0.5, 0]
    ;[0, 2, 3, 4, 6].forEach((step, i) => expect(learningRateAt(step, 6, config)).toBeCloseTo(expected[i]!, 12))
  })

  it('rises over the warm-up, reaches the peak with its last step, and decays from there', () => {
    const config = { ...base, schedule: 'linear', warmupSteps: 4 } as const
    expect([0, 1, 2, 3, 4, 6].map((step) => learningRateAt(step, 8, config))).toEqual([0.5, 1, 1.5, 2, 2, 1])
  })

  it('copes with a warm-up as long as the training', () => {
    const config = { ...base, schedule: 'cosine', warmupSteps: 2 } as const
    expect([0, 1].map((step) => learningRateAt(step, 2, config))).toEqual([1, 2])
  })
})
