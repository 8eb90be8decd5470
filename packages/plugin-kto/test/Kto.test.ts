import { referenceCases, relativeError } from '@plumbline/conformance'
import { lossAndGradient } from '@plumbline/core'
import { Kto, ktoOptions } from '../src'

/** The divergence, the weight and the margin that the vectors were made with. */
const [DIVERGENCE, WEIGHT, MARGIN] = [0.7, 1.33, 0.005]

describe.each(['none', 'boundary'] as const)('constraint %s', (constraint) => {
  it.each(['mismatched', 'zero'] as const)('equals the reference vectors, reference point %s', (referencePoint) => {
    for (const group of referenceCases()) {
      const beta = constraint === 'boundary' ? MARGIN : undefined
      const loss = new Kto({ constraint, referencePoint, undesirableWeight: WEIGHT, beta })
      const result = lossAndGradient(loss, { ...group, divergence: DIVERGENCE })
      expect(relativeError(result, group.expected[`kto/${referencePoint}/${constraint}`]!)).toBeLessThan(1e-6)
    }
  })
})

it('has a boundary in effect in some of the vectors', () => {
  const differ = referenceCases().filter(({ expected }) => expected['kto/zero/none']!.loss !== expected['kto/zero/boundary']!.loss)
  expect(differ.length).toBeGreaterThan(2)
})

const σ = (x: number) => 1 / (1 + Math.exp(-x))

const group = (ratios: readonly number[], positive: readonly boolean[], divergence = 0) => ({
  k: ratios.length,
  lengths: ratios.map(() => 10),
  logProbs: ratios.map((r) => r - 3),
  referenceLogProbs: ratios.map(() => -3),
  positive,
  rewards: positive.map(Number),
  reference: positive.map(() => false),
  divergence,
})

it('by hand: one answer to a question, desirable or not', () => {
  const kto = new Kto({ ktoBeta: 0.5, desirableWeight: 2, undesirableWeight: 3 })
  expect(lossAndGradient(kto, group([1.5], [true], 0.5)).loss).toBeCloseTo(2 * (1 - σ(0.5)), 6)
  expect(lossAndGradient(kto, group([1.5], [false], 0.5)).loss).toBeCloseTo(3 * (1 - σ(-0.5)), 6)
  expect(kto.units(group([1.5, 1], [false, false]))).toBe(2)
})

it('holds an undesirable answer above the boundary where the question has a desirable one, by hand', () => {
  const kto = new Kto({ constraint: 'boundary', beta: 0.1, ktoBeta: 1, referencePoint: 'zero' })
  // B = −0.5 − 10 · 0.1
  expect(lossAndGradient(kto, group([-0.5, -1], [true, false])).loss).toBeCloseTo(σ(0.5) + σ(-1), 6)
  expect(lossAndGradient(kto, group([-0.5, -3], [true, false])).loss).toBeCloseTo(σ(0.5) + σ(-1.5) + 1.5 / 4, 6)
  expect(lossAndGradient(kto, group([-3], [false])).loss).toBeCloseTo(σ(-3), 6)
})

it('pushes at B itself, and lets a gradient into B only where it is in effect and asked for', () => {
  const kto = new Kto({ constraint: 'boundary', beta: 0.1, ktoBeta: 1, referencePoint: 'zero', boundaryGradient: 'flow' })
  const slope = (x: number) => σ(x) * (1 - σ(x))
  const gradient = (worse: number) => lossAndGradient(kto, group([-0.5, worse], [true, false])).gradient
  expect(gradient(-1.5)[1]).toBeCloseTo(slope(-1.5), 6)
  expect(gradient(-1)[0]).toBeCloseTo(-slope(-0.5), 6)
  expect(gradient(-3)[0]).toBeCloseTo(-slope(-0.5) + slope(-1.5) + 1 / 4, 6)
})

it('names its metrics as TRL does, and reports what the labels have', () => {
  const kto = new Kto({ ktoBeta: 0.5 })
  const scores = [0, 0, 0]
  const both = { 'rewards/chosen': 1, 'rewards/rejected': -0.75, 'rewards/margins': 1.75, kl: 0.25 }
  expect(kto.metrics({ ...group([2, -1, -2], [true, false, false], 0.25), scores })).toEqual(both)
  expect(kto.metrics({ ...group([2, -1.5], [true, false], 0.25), scores })).toEqual(both)
  expect(kto.metrics({ ...group([2], [true], 0.25), scores })).toEqual({ 'rewards/chosen': 1, kl: 0.25 })
  expect(kto.metrics({ ...group([2], [false]), divergence: undefined, scores })).toStrictEqual({ 'rewards/rejected': 1 })
  expect(kto.metrics({ ...group([2], [true]), referenceLogProbs: undefined, scores })).toEqual({})
})

it('has TRL’s values by default, and reads every answer', () => {
  expect(ktoOptions.parse({})).toMatchObject({ ktoBeta: 0.1, desirableWeight: 1, undesirableWeight: 1, referencePoint: 'mismatched' })
  expect(new Kto({ constraint: 'boundary' }).manifest).toMatchObject({
    beta: 0.15,
    constraints: ['none', 'boundary'],
    needsDivergence: true,
  })
  expect(new Kto().needed(group([1, 2], [false, false]))).toEqual([true, true])
})

it.each([
  [{ beta: 0.1 }, 'beta'], // TRL's name of ktoBeta
  [{ constraint: 'detached' }, 'constraint'],
  [{ ktoBeta: 0 }, 'ktoBeta'],
  [{ undesirableWeight: 0 }, 'undesirableWeight'],
])('refuses %j', (options, key) => {
  expect(ktoOptions.safeParse(options).error?.issues[0]?.path[0]).toBe(key)
})
