import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { adamWStep } from '../src/training/adamw'
import { ParameterStore } from '../src/training/parameters'

interface Case {
  options: { lr: number; betas: [number, number]; eps: number; weight_decay: number; max_norm: number | null }
  start: [number[][], number[]]
  steps: { gradients: [number[][], number[]]; norm: number; weights: [number[][], number[]] }[]
}

const cases = JSON.parse(readFileSync(join(__dirname, 'fixtures/adamw.json'), 'utf8')) as Case[]
const newStore = ([matrix, vector]: [number[][], number[]]) =>
  ParameterStore.from(
    new Map([
      ['matrix', { shape: [3, 4], data: Float32Array.from(matrix.flat()) }],
      ['vector', { shape: [5], data: Float32Array.from(vector) }],
    ]),
  )

describe('AdamW', () => {
  it.each(cases)('takes the steps of torch.optim.AdamW, clipping at $options.max_norm', ({ options, start, steps }) => {
    const store = newStore(start)
    for (const { gradients, norm, weights } of steps) {
      for (const [i, parameter] of store.parameters.entries()) parameter.gradient.set((gradients[i] as number[][]).flat())
      const found = adamWStep(store, {
        learningRate: options.lr,
        betas: options.betas,
        epsilon: options.eps,
        weightDecay: options.weight_decay,
        maxGradNorm: options.max_norm ?? undefined,
      })
      expect(Math.abs(found / norm - 1)).toBeLessThan(1e-6)
      for (const [i, { weight, gradient }] of store.parameters.entries()) {
        for (const [j, value] of (weights[i] as number[][]).flat().entries()) expect(Math.abs(weight[j]! - value)).toBeLessThan(2e-6)
        expect(gradient.every((value) => value === 0)).toBe(true)
      }
    }
  })

  it.each([
    ['a learning rate beyond float32', { learningRate: 1e39 }, 'matrix and 1 more tensors'],
    ['a step beyond float32', { learningRate: 3e38, weightDecay: 3e38 }, 'matrix and 1 more tensors'],
    ['a second moment beyond float32', { gradient: [1e25, 1] }, 'matrix'],
    ['the last number of a tensor that ends within a register', { gradient: [1, 1e25] }, 'vector'],
  ])(
    'says which tensor %s has ruined',
    (_, { gradient = [1, 1], ...options }: { gradient?: number[]; learningRate?: number; weightDecay?: number }, names) => {
      const store = newStore(cases[0]!.start)
      for (const [i, parameter] of store.parameters.entries()) {
        parameter.gradient.fill(1e-3)
        parameter.gradient[parameter.gradient.length - 1] = gradient[i]!
      }
      const step = () => adamWStep(store, { learningRate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0, ...options })
      expect(step).toThrow(
        expect.objectContaining({
          code: 'PLUMB_NON_FINITE_WEIGHTS',
          message: expect.stringMatching(
            `^Optimizer step 1 with the learning rate .+ made weights or moments of ${names} that are not finite`,
          ) as string,
        }),
      )
    },
  )

  it('takes no notice of the padding of a register, nor of large and tiny numbers', () => {
    const store = newStore(cases[0]!.start)
    for (const { gradient, weight } of store.parameters) {
      gradient.forEach((_, i) => (gradient[i] = 10 ** ((i % 3) * 8 - 4)))
      weight[0] = 3e38
      weight[1] = 1e-45
    }
    const found = adamWStep(store, { learningRate: 1e-3, betas: [0.9, 0.999], epsilon: 0, weightDecay: 0 })
    expect(found).toBeGreaterThan(1e12)
    for (const { weight } of store.parameters) expect(weight.every(Number.isFinite)).toBe(true)
  })

  it('refuses a gradient that is not finite and changes nothing', () => {
    const store = newStore(cases[0]!.start)
    store.parameters[1]!.gradient[2] = NaN
    const before = store.parameters.map(({ weight }) => [...weight])
    const step = () => adamWStep(store, { learningRate: 1, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 })
    expect(step).toThrow(
      expect.objectContaining({ code: 'PLUMB_NON_FINITE_GRADIENT', message: expect.stringContaining('vector') as string }),
    )
    expect(store.parameters.map(({ weight }) => [...weight])).toEqual(before)
    expect(store.step).toBe(0)
    expect(store.parameters.every(({ gradient }) => gradient.every((value) => value === 0))).toBe(true)
  })
})
