import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { adamWStep } from '../src/training/adamw'
import { ParameterStore } from '../src/training/parameters'
import { readState, writeState } from '../src/training/state'
import { Lcg } from './support/random-llama'

interface Trajectory {
  options: { lr: number; betas: [number, number]; eps: number; weight_decay: number }
  start: number[][]
  steps: { gradient: number[][]; weight: number[][]; mean: number[]; variance: number[] }[]
}

const torch = JSON.parse(readFileSync(join(__dirname, 'fixtures/adamw-bfloat16.json'), 'utf8')) as Trajectory
const options = { learningRate: 1e-3, betas: [0, 0], epsilon: 1e-8, weightDecay: 0 } as const

/** One tensor whose moments are held in two bytes. */
function newStore(data: Float32Array, shape = [data.length]): ParameterStore {
  const store = ParameterStore.from(new Map([['w', { shape, data }]]))
  store.plan({ frozen: [], moments: 'bfloat16' })
  return store
}

const floats = new Float32Array(1)
const words = new Uint32Array(floats.buffer)
const toBits = (value: number) => ((floats[0] = value), words[0]!)
const fromBits = (bits: number) => ((words[0] = bits), floats[0]!)

/** The nearest bfloat16 of a float32, found by looking at both neighbours; of two alike the one with an even last bit. */
function nearest(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0
  const down = toBits(value) >>> 16
  const [low, high] = [fromBits(down << 16), fromBits(((down + 1) << 16) >>> 0)]
  if (!Number.isFinite(low)) return down
  // The step beyond the largest number is as long as the one before it.
  const above = Number.isFinite(high) ? high : 2 * low - fromBits((down - 1) << 16)
  const [toLow, toHigh] = [Math.abs(value - low), Math.abs(above - value)]
  if (toLow === toHigh) return down + (down & 1)
  return toLow < toHigh ? down : down + 1
}

describe('moments in bfloat16', () => {
  it('are rounded to the nearest, ties to even: every kind of float32', () => {
    const random = new Lcg(5)
    const patterns = Array.from({ length: 4000 }, () => Math.floor(random.next() * 2 ** 32))
    const ties = Array.from({ length: 64 }, (_, i) => ((0x3f80 + i) << 16) | 0x8000).flatMap((tie) => [tie - 1, tie, tie + 1])
    const special = [0, 1, 0x007fffff, 0x00800000, 0x7f7fffff, 0x7f7f8000, 0x7f7f7fff, 0xff7fffff]
    const gradients = Float32Array.from([...special, ...ties, ...patterns].map(fromBits)).filter(Number.isFinite)
    // A norm of finite numbers only: what is tested is the rounding of the first moment, which is the gradient where β₁ = 0.
    const store = newStore(new Float32Array(gradients.length))
    const [parameter] = store.parameters
    parameter!.gradient.set(gradients)
    const { kernel, weight, gradient, mean, variance } = parameter!
    const at = [weight, gradient, mean, variance].map(({ byteOffset }) => byteOffset) as [number, number, number, number]
    kernel.updateBFloat16(...at, 4 * Math.ceil(weight.length / 4) * 4, 1, 1, 0, 1, 1, 0, 1, 1e-8)
    expect([...mean].map((bits) => bits.toString(16))).toEqual([...gradients].map((value) => nearest(value).toString(16)))
    expect([...variance].map((bits) => bits.toString(16))).toEqual(
      [...gradients].map((value) => nearest(Math.fround(Math.fround(value) * Math.fround(value))).toString(16)),
    )
  })

  it('NaN stays NaN, and the step says so', () => {
    const store = newStore(new Float32Array(4))
    const [{ gradient, mean, kernel, weight, variance }] = store.parameters as [(typeof store.parameters)[0]]
    new Uint32Array(gradient.buffer, gradient.byteOffset, 1)[0] = 0x7fffffff
    const found = kernel.updateBFloat16(weight.byteOffset, gradient.byteOffset, mean.byteOffset, variance.byteOffset, 16, 1, 1, 0, 1, 1, 0, 1, 1e-8) // prettier-ignore
    expect(found).toBeNaN()
    expect([mean[0], variance[0]]).toEqual([0x7fc0, 0x7fc0])
  })

  it('takes the steps of torch.optim.AdamW whose moments are rounded after each', () => {
    const store = newStore(Float32Array.from(torch.start.flat()), [4, 7])
    const { lr, betas, eps, weight_decay } = torch.options
    for (const { gradient, weight, mean, variance } of torch.steps) {
      const [parameter] = store.parameters
      parameter!.gradient.set(gradient.flat())
      adamWStep(store, { learningRate: lr, betas, epsilon: eps, weightDecay: weight_decay })
      for (const [i, value] of weight.flat().entries()) expect(Math.abs(parameter!.weight[i]! - value)).toBeLessThan(2e-6)
      // The last bit of a float32 may be another, and so, seldom, that of the bfloat16.
      expect([...parameter!.mean].filter((bits, i) => bits !== mean[i]).length).toBeLessThanOrEqual(1)
      expect([...parameter!.variance].filter((bits, i) => bits !== variance[i]).length).toBeLessThanOrEqual(1)
    }
  })

  it('are saved as BF16 and read again bit for bit; a state of float32 moments is refused', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'plumbline-moments-'))
    try {
      const random = new Lcg(9)
      const train = (store: ParameterStore, steps: number, seed: Lcg) => {
        for (let step = 0; step < steps; step++) {
          store.parameters[0]!.gradient.set(seed.array(13, 1))
          adamWStep(store, { ...options, betas: [0.9, 0.95] })
        }
      }
      const start = random.array(13, 1)
      const [once, first, resumed] = [newStore(start), newStore(start), newStore(new Float32Array(13))]
      train(once, 6, new Lcg(3))
      const gradients = new Lcg(3)
      train(first, 3, gradients)
      await writeState(join(folder, 'state'), first)
      await readState(join(folder, 'state'), resumed)
      train(resumed, 3, gradients)
      const all = (store: ParameterStore) => store.parameters.map(({ weight, mean, variance }) => [[...weight], [...mean], [...variance]])
      expect(all(resumed)).toEqual(all(once))
      const header = readFileSync(join(folder, 'state', 'training-state.safetensors')).toString('latin1')
      expect(header).toContain('"mean.w":{"dtype":"BF16","shape":[13]')
      const plain = ParameterStore.from(new Map([['w', { shape: [13], data: start }]]))
      await expect(readState(join(folder, 'state'), plain)).rejects.toMatchObject({
        code: 'PLUMB_STATE_MODEL_DIFFERS',
        message: 'mean.w is stored as BF16; this training holds it as F32.',
      })
      expect(plain.step).toBe(0)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
