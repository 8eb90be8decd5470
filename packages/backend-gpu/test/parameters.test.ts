import * as tf from '@tensorflow/tfjs-core'
import type { AdamWOptions } from '@plumbline/core'
import { Engine } from '../src/engine'
import { loadLibrary } from '../src/library'
import { Parameters } from '../src/parameters'

const engine = new Engine(loadLibrary('javascript').backend)
const tensor = (values: readonly number[], shape: number[]) => engine.run(() => tf.tensor([...values], shape))

/** torch.optim.AdamW in float64, after torch.nn.utils.clip_grad_norm_. */
class Reference {
  private readonly m: number[]
  private readonly v: number[]
  private t = 0
  constructor(
    readonly p: number[],
    private readonly decayed: readonly boolean[],
  ) {
    this.m = p.map(() => 0)
    this.v = p.map(() => 0)
  }
  step(gradient: readonly number[], { learningRate, betas: [b1, b2], epsilon, weightDecay, maxGradNorm }: AdamWOptions): number {
    this.t++
    const norm = Math.hypot(...gradient)
    const clip = maxGradNorm === undefined ? 1 : Math.min(1, maxGradNorm / (norm + 1e-6))
    gradient.forEach((raw, i) => {
      const g = raw * clip
      if (this.decayed[i]) this.p[i]! *= 1 - learningRate * weightDecay
      this.m[i] = b1 * this.m[i]! + (1 - b1) * g
      this.v[i] = b2 * this.v[i]! + (1 - b2) * g * g
      const denominator = Math.sqrt(this.v[i]) / Math.sqrt(1 - b2 ** this.t) + epsilon
      this.p[i]! -= (learningRate / (1 - b1 ** this.t)) * (this.m[i] / denominator)
    })
    return norm
  }
}

describe('AdamW', () => {
  const start = [0.5, -1, 2, 0.25, 1, 1.5]
  const create = () =>
    new Parameters(
      engine,
      new Map([
        ['matrix', { shape: [2, 2], data: Float32Array.from(start.slice(0, 4)) }],
        ['norm', { shape: [2], data: Float32Array.from(start.slice(4)) }],
      ]),
    )
  const values = async (parameters: Parameters) => [...(await parameters.downloadWeights()).values()].flatMap(({ data }) => [...data])
  const add = (parameters: Parameters, gradient: readonly number[]) =>
    parameters.accumulate([tensor(gradient.slice(0, 4), [2, 2]), tensor(gradient.slice(4), [2])])

  it.each([
    ['plain', { weightDecay: 0 }],
    ['with decay of matrices only', { weightDecay: 0.3 }],
    ['with clipping', { weightDecay: 0.1, maxGradNorm: 0.5 }],
  ])('is PyTorch’s, %s', async (_, extra) => {
    const options: AdamWOptions = { learningRate: 0.05, betas: [0.9, 0.98], epsilon: 1e-8, ...extra }
    const parameters = create()
    const reference = new Reference([...start], [true, true, true, true, false, false])
    for (let step = 0; step < 4; step++) {
      const gradient = start.map((_, i) => Math.sin(3 * i + step))
      // Two micro-batches of a step.
      add(
        parameters,
        gradient.map((g) => 0.25 * g),
      )
      add(
        parameters,
        gradient.map((g) => 0.75 * g),
      )
      expect(await parameters.adamW(options)).toBeCloseTo(reference.step(gradient, options), 5)
    }
    for (const [i, value] of (await values(parameters)).entries()) expect(value).toBeCloseTo(reference.p[i]!, 5)
    parameters.dispose()
  })

  it('says which tensors a learning rate beyond float32 has ruined', async () => {
    const parameters = create()
    add(parameters, [1, 1, 1, 1, 1, 1])
    const step = parameters.adamW({ learningRate: 1e39, betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0.1 })
    await expect(step).rejects.toMatchObject({
      code: 'PLUMB_NON_FINITE_WEIGHTS',
      message: expect.stringContaining('made weights or moments of matrix and 1 more tensors that are not finite') as unknown,
    })
    parameters.dispose()
  })

  it('refuses a gradient that is not finite, and changes nothing', async () => {
    const parameters = create()
    const options: AdamWOptions = { learningRate: 0.05, betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0.1 }
    add(parameters, [1, 1, 1, 1, NaN, 1])
    await expect(parameters.adamW(options)).rejects.toMatchObject({
      code: 'PLUMB_NON_FINITE_GRADIENT',
      message: 'The gradient of norm is not finite; expected finite numbers.',
    })
    expect(await values(parameters)).toEqual(start)
    // The next step is the first one.
    const reference = new Reference([...start], [true, true, true, true, false, false])
    add(parameters, [1, 2, 3, 4, 5, 6])
    await parameters.adamW(options)
    reference.step([1, 2, 3, 4, 5, 6], options)
    for (const [i, value] of (await values(parameters)).entries()) expect(value).toBeCloseTo(reference.p[i]!, 5)
    parameters.dispose()
  })
})
