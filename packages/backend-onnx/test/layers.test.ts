/** @jest-environment ./packages/backend-onnx/test/support/onnx-environment.cjs */
import type { LoraPlan } from '@plumbline/core'
import {
  factorTensors,
  initialAdapter,
  linearModules,
  packGroups,
  parameterShapes,
  readModelFolder,
  scalingOf,
  type ModelConfig,
  type PackedGroup,
  type Weights,
} from '@plumbline/transformer'
import { expectedCase, FAMILY_CASES, ModelFolders } from '../../transformer/test/families/fixtures'
import { BEYOND_CONTEXT } from '../../transformer/test/families/pending'
import { oneOfEachFamily } from './support/family-checks'
import { PLAIN } from '../src/graph/attention-layout'
import { AdapterFactors } from '../src/training/adapter-factors'
import { adamWStep } from '../src/training/adamw'
import { longBlocks } from '../src/training/attention-blocks'
import { HostPlace } from '../src/training/host-place'
import { LayerProgram } from '../src/training/layer-program'
import { ParameterStore } from '../src/training/parameters'
import { traceSegment } from '../src/training/segment-graph'
import { Trainer } from '../src/training/trainer'
import { Lcg, randomWeights, smallLlama } from './support/random-llama'

const folders = new ModelFolders()
afterAll(() => folders.dispose())

/** Relative to the largest of a tensor: both ways add the same float32 numbers, some of them in another order. */
const BOUND = 1e-5

interface Way {
  readonly keep: boolean
  readonly byLayers: boolean
}
const WHOLE: Way = { keep: true, byLayers: false }
const BY_LAYERS: Way = { keep: true, byLayers: true }
const UNKEPT: Way = { keep: false, byLayers: true }

interface Job {
  readonly config: ModelConfig
  readonly weights: Weights
  readonly groups: readonly PackedGroup[]
  readonly cotangents: Float32Array
  readonly frozen?: readonly string[]
}

function trainerOf({ config, weights, frozen = [] }: Job) {
  const store = ParameterStore.from(weights)
  store.plan({ frozen })
  return { store, trainer: new Trainer(config, store, new HostPlace(config, { threads: 1 })) }
}

async function computed(job: Job, { keep, byLayers }: Way) {
  const { store, trainer } = trainerOf(job)
  const scored = await trainer.logProbs(job.groups, undefined, byLayers)
  const logProbs = await trainer.forward(job.groups, keep, byLayers)
  await trainer.backward(job.cotangents)
  await trainer.release()
  return { scored, logProbs, gradients: new Map(store.parameters.map(({ name, gradient }) => [name, gradient])) }
}

const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)

function expectNear(name: string, found: Float32Array, expected: Float32Array, bound = BOUND): void {
  const scale = largest(expected)
  expect(scale).toBeGreaterThan(0)
  const error = largest(found.map((value, i) => value - expected[i]!)) / scale
  expect({ name, error, isNear: error < bound }).toMatchObject({ name, isNear: true })
}

async function expectSame(job: Job, ways: readonly Way[] = [BY_LAYERS, UNKEPT]): Promise<void> {
  const expected = await computed(job, WHOLE)
  for (const way of ways) {
    const found = await computed(job, way)
    expectNear('log-probs', found.logProbs, expected.logProbs)
    // What is scored and what is trained on are the same numbers, bit for bit.
    expect(found.scored).toEqual(found.logProbs)
    expect([...found.gradients.keys()]).toEqual([...expected.gradients.keys()])
    for (const [name, gradient] of expected.gradients) expectNear(name, found.gradients.get(name)!, gradient)
  }
}

async function jobOf(name: string): Promise<Job> {
  const { config, weights } = await readModelFolder(folders.copy(name))
  const { groups } = expectedCase(name)
  const cotangents = Float32Array.from(groups.flatMap((group) => group.cotangents.flatMap((weights) => [...weights])))
  return { config, weights, groups, cotangents }
}

const CASES = FAMILY_CASES.filter((name) => !BEYOND_CONTEXT.includes(name))

it.each(CASES)('%s, one layer after the other: the log-probs and gradients of one piece', async (name) =>
  expectSame(await jobOf(name), [BY_LAYERS]),
)

// Of each family, one case.
it.each(CASES.filter((name) => oneOfEachFamily().includes(name)))(
  '%s, one layer after the other: the ten steps of one piece',
  async (name) => {
    const job = await jobOf(name)
    const steps = async ({ keep, byLayers }: Way) => {
      const { store, trainer } = trainerOf(job)
      const found: { logProbs: Float32Array; gradNorm: number }[] = []
      for (let step = 0; step < 10; step++) {
        const logProbs = await trainer.forward(job.groups, keep, byLayers)
        await trainer.backward(job.cotangents)
        found.push({ logProbs, gradNorm: adamWStep(store, { learningRate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 }) })
      }
      await trainer.release()
      return found
    }
    const [expected, found] = [await steps(WHOLE), await steps(BY_LAYERS)]
    for (const [step, { logProbs, gradNorm }] of expected.entries()) {
      expectNear(`step ${step}`, found[step]!.logProbs, logProbs)
      expect(Math.abs(found[step]!.gradNorm / gradNorm - 1)).toBeLessThan(BOUND)
    }
  },
)

const random = new Lcg(23)
const config = { ...smallLlama(true), maxPositions: 4096 }
const weights = randomWeights(config, new Lcg(5))
const made = (prompt: number, ...lengths: number[]): PackedGroup => ({
  prompt: random.tokens(prompt, config.vocabSize),
  completions: lengths.map((length) => random.tokens(length, config.vocabSize)),
})
const randomCotangents = (groups: readonly PackedGroup[]) => random.array(packGroups(groups).scoredIds.length, 1)
const jobWith = (groups: readonly PackedGroup[], more: Partial<Job> = {}): Job => ({
  config,
  weights,
  groups,
  cotangents: randomCotangents(groups),
  ...more,
})

describe('one layer after the other', () => {
  it('cuts a long sequence into blocks of at most 256 positions, in a power of two', () => {
    const counts = ([groups]: [PackedGroup[]]) => {
      const { promptChunks, classes, chunks } = longBlocks(packGroups(groups)).layout
      return [promptChunks, classes, chunks]
    }
    expect(counts([[made(9, 20, 3)]])).toEqual([1, 1, 1])
    expect(counts([[made(257, 514)]])).toEqual([2, 1, 4])
    expect(counts([[made(64, 4097)]])).toEqual([1, 1, 16])
    expect(counts([[made(3000, 4098)]])).toEqual([16, 1, 32])
  })

  it.each<[string, PackedGroup[]]>([
    ['a long completion', [made(70, 1400)]],
    ['a long prompt', [made(1300, 5, 1, 40)]],
    ['both, beside short ones', [made(600, 700, 2), made(3, 30, 1)]],
    ['nothing but completions of one token', [made(30, 1, 1)]],
  ])('%s: the log-probs and gradients of one piece', (_, groups) => expectSame(jobWith(groups), [BY_LAYERS]))

  it('a window', () => {
    const attention = config.attention.map((one) => ({ ...one, window: 100 }))
    return expectSame(jobWith([made(300, 900)], { config: { ...config, attention } }), [BY_LAYERS])
  })

  it('a vocabulary whose log-probs are kept in chunks, and one whose are not', async () => {
    for (const vocabSize of [5000, 16_400]) {
      const wide = { ...config, vocabSize }
      await expectSame(jobWith([made(30, 40, 5)], { config: wide, weights: randomWeights(wide, new Lcg(2)) }), [BY_LAYERS])
    }
  })

  it.each([true, false])('completions without cotangents are dropped (checkpoints kept: %s)', async (keep) => {
    const groups = [made(40, 30, 1, 20), made(9, 12), made(3, 600, 4)]
    const cotangents = randomCotangents(groups)
    // The second of the first group, and the whole second group.
    cotangents.fill(0, 30, 31)
    cotangents.fill(0, 51, 63)
    await expectSame(jobWith(groups, { cotangents }), [{ keep, byLayers: true }])
  })

  it('every cotangent zero: nothing is differentiated', async () => {
    const groups = [made(40, 30)]
    const { gradients } = await computed(jobWith(groups, { cotangents: new Float32Array(30) }), BY_LAYERS)
    for (const gradient of gradients.values()) expect(gradient.every((value) => value === 0)).toBe(true)
  })

  const layer = (number: number) => (name: string) => name.startsWith(`model.layers.${number}.`)
  it.each<[string, (name: string) => boolean]>([
    ['the embedding', (name) => name === 'model.embed_tokens.weight'],
    ['the embedding and the first layer', (name) => name === 'model.embed_tokens.weight' || layer(0)(name)],
    ['the last layer', layer(1)],
    ['all but the embedding, which is the head', (name) => name !== 'model.embed_tokens.weight'],
    ['all but one matrix', (name) => name !== 'model.layers.0.mlp.up_proj.weight'],
  ])('frozen: %s', (_, isFrozen) => {
    const frozen = [...parameterShapes(config).keys()].filter(isFrozen)
    return expectSame(jobWith([made(20, 30, 4)], { frozen }))
  })

  it('each layer of a kind has its own weights and gradients', async () => {
    const [full, sliding] = [config.attention[0]!, { ...config.attention[0]!, window: 6 }]
    const attention = [full, sliding, full, full, sliding, full]
    const deep = { ...config, layers: attention.length, attention }
    const job = jobWith([made(20, 30, 4), made(5, 9)], { config: deep, weights: randomWeights(deep, new Lcg(8)) })
    await expectSame(job)
    const isFrozen = (name: string) => layer(2)(name) || name === 'model.embed_tokens.weight'
    await expectSame({ ...job, frozen: [...parameterShapes(deep).keys()].filter(isFrozen) }, [BY_LAYERS])
  })

  it.each([0, 0.3])('factors of layers that share a graph, dropout %s', async (dropout) => {
    const deep = { ...config, layers: 4, attention: Array.from({ length: 4 }, () => config.attention[0]!) }
    const plan: LoraPlan = { rank: 2, alpha: 4, rslora: false, dropout, targetModules: 'all-linear', seed: 3 }
    const modules = linearModules(deep)
    const adapter = initialAdapter(plan, modules)
    for (const { B } of adapter.factors.values()) B.data.set(random.array(B.data.length, 0.2))
    const shape = { modules: new Set(adapter.factors.keys()), scaling: scalingOf(adapter.config), dropout }
    const base = { weights: randomWeights(deep, new Lcg(8)) }
    const groups = [made(20, 30, 4), made(5, 9)].map((group, id) => ({ ...group, id: `${id}` }))
    const cotangents = randomCotangents(groups)
    // The second completion is dropped, so that rows of the masks are too.
    cotangents.fill(0, 30, 34)
    const gradients = async ({ keep, byLayers }: Way) => {
      const store = ParameterStore.from(factorTensors(adapter))
      const factors = new AdapterFactors({ adapter, modules, shape }, plan, store)
      const trainer = new Trainer(deep, base, new HostPlace(deep, { threads: 1 }), factors)
      const logProbs = await trainer.forward(groups, keep, byLayers)
      await trainer.backward(cotangents)
      await trainer.release()
      return [{ name: 'log-probs', gradient: logProbs }, ...store.parameters]
    }
    const expected = await gradients(WHOLE)
    for (const way of [BY_LAYERS, UNKEPT]) {
      const found = await gradients(way)
      for (const [i, { name, gradient }] of expected.entries()) expectNear(name, found[i]!.gradient, gradient)
    }
  })

  it('several passes wait in order, beside those in one piece', async () => {
    const [first, second] = [jobWith([made(20, 30)]), jobWith([made(9, 4, 17)])]
    const { store, trainer } = trainerOf(first)
    for (const { groups } of [first, second]) await trainer.forward(groups, true, groups === first.groups)
    for (const { cotangents } of [first, second]) await trainer.backward(cotangents)
    await trainer.release()
    const parts = await Promise.all([computed(first, WHOLE), computed(second, WHOLE)])
    for (const { name, gradient } of store.parameters) {
      const [a, b] = parts.map(({ gradients }) => gradients.get(name)!)
      expectNear(
        name,
        gradient,
        a!.map((value, i) => value + b![i]!),
      )
    }
  })

  it('one graph serves all layers of a kind', async () => {
    const compiler = { compile: () => Promise.reject(new Error('not asked for')) }
    const graphs = (own: ModelConfig) => new LayerProgram({ config: own, layout: PLAIN }, compiler).graphs
    const deep = (own: ModelConfig, layers: number): ModelConfig => {
      return { ...own, layers, attention: Array.from({ length: layers }, (_, i) => own.attention[i % own.attention.length]!) }
    }
    // The embedding, the layers, the last one, which gives less, and the head.
    expect(graphs(deep(config, 30))).toBe(4)
    const [full, sliding] = [{ ...config.attention[0]! }, { ...config.attention[0]!, window: 7 }]
    expect(graphs(deep({ ...config, attention: [sliding, full] }, 30))).toBe(5)
  })

  it('keeps what each layer reads and the result of its attention, and nothing else', () => {
    const { kept, backward } = traceSegment({ config, layout: PLAIN }, 0)
    expect(kept.map(({ width, tail }) => [width, tail])).toEqual([[config.heads * config.headDim, false]])
    expect(backward().inputs.filter(({ name }) => name === kept[0]!.value.name)).toHaveLength(1)
  })
})
