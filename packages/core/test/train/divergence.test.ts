import * as tf from '@tensorflow/tfjs-core'
import type { AlignmentLoss, Policy } from '../../src'
import { divergenceOf } from '../../src/train/divergence'
import { trainingStep, type TrainingGroup } from '../../src/train/step'

/** Every token of every completion has this log-probability. */
const policyOf = (perToken: number): Pick<Policy, 'logProbs'> => ({
  logProbs: async (groups) => groups.map(({ completions }) => completions.map((tokens) => new Float32Array(tokens.length).fill(perToken))),
})

const question = (id: string, tokens: number, referenceLogProb: number): TrainingGroup => ({
  id,
  prompt: [1],
  completions: [[5, 6]],
  k: 1,
  lengths: [2],
  positive: [true],
  rewards: [1],
  reference: [false],
  referenceLogProbs: [-1],
  mismatched: { completion: Array.from({ length: tokens }, () => 7), referenceLogProb },
})

describe('divergenceOf', () => {
  it('is the mean log-ratio over the questions, and never below 0', async () => {
    const questions = [question('a', 2, -5), question('b', 4, -4)] as const
    const of = (perToken: number) => divergenceOf(policyOf(perToken), questions as never)
    expect(await of(-1)).toBe((-2 + 5 + (-4 + 4)) / 2)
    expect(await of(-3)).toBe(0) // (−6 + 5 − 12 + 4) / 2
  })

  it('names the question whose log-probability is not finite', async () => {
    await expect(divergenceOf(policyOf(NaN), [question('a', 2, -5)] as never)).rejects.toMatchObject({
      code: 'PLUMB_NON_FINITE_LOGITS',
      where: 'a',
    })
  })
})

describe('a step of a loss that needs the divergence', () => {
  const far: AlignmentLoss = {
    manifest: {
      name: 'far',
      feedback: 'either',
      needsReference: true,
      needsDivergence: true,
      unit: 'question',
      constraint: 'none',
      constraints: ['none'],
      paper: '',
    },
    loss: ({ logRatios, divergence }) => tf.sum(logRatios!).mul(divergence!),
    metrics: ({ divergence }) => ({ divergence: divergence! }),
  }
  const losses = [{ name: 'far', loss: far, weight: 1 }]
  const batch = [0, 1].map((index) => ({ index, tokenLogProbs: [new Float32Array([-1, -2])] }))

  it('measures it before, over the whole step, and hands every group the same', async () => {
    const { objective, prepare } = trainingStep(losses, [question('a', 2, -5), question('b', 4, -5)])
    await prepare!(policyOf(-1))
    // (−2 + 5 − 4 + 5) / 2 = 2, and the log-ratio of each candidate is −3 + 1
    expect(objective(batch)).toMatchObject({ loss: -4, metrics: { 'loss/far': -4, 'far/divergence': 2 } })
    expect(objective([batch[1]!]).loss).toBe(-2)
  })

  it('is not taken where it was not measured', () => {
    expect(() => trainingStep(losses, [question('a', 2, -5)]).objective([batch[0]!])).toThrow('In group "a"')
    const { mismatched, ...without } = question('a', 2, -5)
    expect(mismatched).toBeDefined()
    expect(() => trainingStep(losses, [without])).toThrow(
      expect.objectContaining({
        code: 'PLUMB_REFERENCE_MISSING',
        where: 'a',
        message: expect.stringContaining('"far" needs how far') as string,
      }),
    )
  })

  it('has nothing to prepare without such a loss', () => {
    const near = { ...far, manifest: { ...far.manifest, needsDivergence: false }, loss: () => tf.scalar(0) }
    expect(trainingStep([{ name: 'near', loss: near, weight: 1 }], [question('a', 2, -5)]).prepare).toBeUndefined()
  })
})
