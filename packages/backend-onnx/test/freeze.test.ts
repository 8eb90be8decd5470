/** @jest-environment ./packages/backend-onnx/test/support/onnx-environment.cjs */
import { packGroups, parameterShapes } from '@plumbline/transformer'
import { PLAIN } from '../src/graph/attention-layout'
import { HostPlace } from '../src/training/host-place'
import { ParameterStore } from '../src/training/parameters'
import { Trainer } from '../src/training/trainer'
import { traceTraining } from '../src/training/training-graph'
import { Lcg, randomWeights, smallLlama } from './support/random-llama'

const EMBEDDING = 'model.embed_tokens.weight'

const random = new Lcg(17)
const groups = [
  { prompt: random.tokens(9, 24), completions: [random.tokens(5, 24), random.tokens(1, 24), random.tokens(12, 24)] },
  { prompt: random.tokens(4, 24), completions: [random.tokens(7, 24)] },
]
const cotangents = random.array(packGroups(groups).scoredIds.length, 1)
const block = (layer: number) => (name: string) => name.startsWith(`model.layers.${layer}.`)

/** Gradients by the name of the parameter; only those of trained ones. */
async function gradients(tied: boolean, isFrozen: (name: string) => boolean, keep: boolean, vocabSize = 24) {
  const config = { ...smallLlama(tied), vocabSize }
  const store = ParameterStore.from(randomWeights(config, new Lcg(3)))
  store.plan({ frozen: [...parameterShapes(config).keys()].filter(isFrozen) })
  const trainer = new Trainer(config, store, new HostPlace(config, { threads: 1 }))
  await trainer.forward(groups, keep)
  await trainer.backward(cotangents)
  await trainer.release()
  return new Map(store.parameters.map(({ name, gradient }) => [name, gradient]))
}

type Gradients = ReadonlyMap<string, Float32Array>

function expectAlike(found: Gradients, all: Gradients, isFrozen: (name: string) => boolean): void {
  expect([...found.keys()]).toEqual([...all.keys()].filter((name) => !isFrozen(name)))
  for (const [name, gradient] of found) {
    const largest = (values: Iterable<number>) => Array.from(values, Math.abs).reduce((most, value) => Math.max(most, value), 0)
    const scale = largest(gradient)
    expect(scale).toBeGreaterThan(0)
    const error = largest(gradient.map((g, i) => g - all.get(name)![i]!))
    expect({ name, withinBound: error <= 1e-6 * scale, error }).toMatchObject({ withinBound: true })
  }
}

describe.each([true, false])('frozen parameters, tied embeddings: %s', (tied) => {
  it.each<[string, (name: string) => boolean]>([
    ['the embedding', (name) => name === EMBEDDING],
    ['the embedding and the first layer', (name) => name === EMBEDDING || block(0)(name)],
    ['the last layer', block(1)],
    ['norms', (name) => name.includes('norm')],
    ['all but the last matrix', (name) => name !== 'model.layers.1.mlp.down_proj.weight'],
    ['all but the embedding (and the head, where that is the same)', (name) => name !== EMBEDDING],
    ['the head and the final norm', (name) => /^(lm_head|model\.norm)/.test(name)],
  ])('%s: the others have the gradients that they have without freezing', async (_, isFrozen) => {
    const all = await gradients(tied, () => false, true)
    for (const keep of [true, false]) {
      expectAlike(await gradients(tied, isFrozen, keep), all, isFrozen)
    }
  })

  it('a frozen head of a large vocabulary: the others have the gradients that they have without freezing', async () => {
    const words = 16_400
    const isHead = (name: string) => name === (tied ? EMBEDDING : 'lm_head.weight')
    const all = await gradients(tied, () => false, true, words)
    for (const keep of [true, false]) expectAlike(await gradients(tied, isHead, keep, words), all, isHead)
  })

  it('nothing below the lowest trained parameter is differentiated or kept', () => {
    const config = smallLlama(tied)
    const whole = traceTraining({ config, layout: PLAIN })
    const frozen = new Set([...parameterShapes(config).keys()].filter((name) => name === EMBEDDING || block(0)(name)))
    const pruned = traceTraining({ config, layout: PLAIN, frozen })
    const inputs = pruned.backwardFromKept().inputs.map(({ name }) => name)
    expect(inputs.filter(block(0))).toEqual([])
    expect(whole.backwardFromKept().inputs.some(({ name }) => block(0)(name))).toBe(true)
    expect(pruned.residuals.length).toBeLessThan(0.6 * whole.residuals.length)
    expect(pruned.backwardFromKept().model.length).toBeLessThan(0.6 * whole.backwardFromKept().model.length)
  })
})
