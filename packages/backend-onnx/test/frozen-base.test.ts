import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loraModules } from '@plumbline/core/base'
import type { AdamWOptions, Generation, LoraPlan, ModelSource, Objective, OpenOptions, Policy, Sampling } from '@plumbline/core'
import {
  elements,
  linearModules,
  loadModel,
  loadTokenizer,
  openModelFolder,
  parameterShapes,
  readWeights,
  wordLevelTokenizerJson,
  writeModelFolder,
  type HalfType,
} from '@plumbline/transformer'
import { expectedCase, ModelFolders } from '../../transformer/test/families/fixtures'
import { OnnxBackend } from '../src'
import { BaseWeights, baseBytes } from '../src/training/base-weights'
import { Engine } from '../src/worker/engine'
import type { FrozenWeights } from '../src/worker/model'
import { onlyTokens } from './support/family-checks'
import { fileOf, storedTwice } from './support/half-folders'

const folders = new ModelFolders()
const scratch = mkdtempSync(join(tmpdir(), 'plumbline-frozen-base-'))
afterAll(() => {
  folders.dispose()
  rmSync(scratch, { recursive: true })
})

const lora: LoraPlan = { rank: 2, alpha: 16, rslora: false, dropout: 0.25, targetModules: 'all-linear', seed: 11 }
const adamW: AdamWOptions = { learningRate: 0.02, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 }
const greedily: Sampling = { seed: 1, temperature: 0, maxNewTokens: 8 }
const shared = { threads: 2, engines: 1 }
const backend = new OnnxBackend(shared)

async function completions(policy: Policy, prompts: readonly (readonly number[])[], sampling: Sampling): Promise<(readonly number[])[]> {
  const found: Generation[] = []
  const asked = prompts.map((prompt, id) => ({ id: `q${id}`, prompt, candidates: [0, 1] }))
  for await (const generation of policy.generate(asked, sampling)) found.push(generation)
  return found.sort((a, b) => a.id.localeCompare(b.id) || a.candidate - b.candidate).map(({ tokens }) => tokens)
}

const { groups: cases } = expectedCase('qwen2')
const groups = cases.map(onlyTokens)
const objective: Objective = (batch) => ({
  loss: 0,
  cotangents: batch.map(({ index }) => cases[index]!.cotangents.map((weights) => Float32Array.from(weights))),
})

describe('a base of 16-bit numbers', () => {
  let stored: Awaited<ReturnType<typeof storedTwice>>
  beforeAll(async () => {
    stored = await storedTwice(folders.copy('qwen2'), 'bfloat16', join(scratch, 'again'))
  })

  it('is held once, as it is stored: two bytes a number of its matrices', async () => {
    const source = (await openModelFolder(stored.half)).weights
    const { weights } = await BaseWeights.load(source)
    let bytes = 0
    for (const { shape, data, half } of weights.values()) {
      expect([data.BYTES_PER_ELEMENT, half]).toEqual(shape.length > 1 ? [2, 'bfloat16'] : [4, undefined])
      bytes += data.byteLength
    }
    expect(baseBytes(source)).toBe(bytes)
    const floats = await readWeights((await openModelFolder(stored.float32)).weights)
    expect(await readWeights((await BaseWeights.load(source)).source())).toEqual(floats)
  })

  it('that holds a number which is not finite is refused before factors are trained on it', async () => {
    const path = join(scratch, 'broken')
    cpSync(stored.half, path, { recursive: true })
    const file = join(path, 'model.safetensors')
    const bytes = readFileSync(file)
    // The last number of the last tensor: the infinity of bfloat16.
    bytes.writeUInt16LE(0x7f80, bytes.length - 2)
    writeFileSync(file, bytes)
    const policy = await backend.open({ kind: 'folder', path }, { frozenBase: true })
    await expect(policy.prepareTraining!({ lora })).rejects.toMatchObject({ code: 'PLUMB_NON_FINITE_WEIGHTS' })
    await policy.dispose()
  })

  it('is read again as float32 where its weights are trained after all, with what an adapter adds', async () => {
    const path = join(scratch, 'made')
    const maker = await backend.open({ kind: 'folder', path: stored.half }, { frozenBase: true })
    await maker.prepareTraining!({ lora })
    await maker.forwardBackward(groups, objective)
    await maker.optimStep(adamW)
    await maker.saveAdapter!(path)
    await maker.saveWeights(join(scratch, 'whole'))
    await maker.dispose()

    const trained = async (source: ModelSource, options: OpenOptions, isReadied: boolean) => {
      const policy = await backend.open(source, options)
      const before = await policy.snapshot()
      const frozen = await before.logProbs(groups)
      if (isReadied) await policy.prepareTraining!({})
      await policy.forwardBackward(groups, objective)
      await policy.optimStep(adamW)
      const after = await policy.logProbs(groups)
      // What was frozen is what it was.
      expect(await before.logProbs(groups)).toEqual(frozen)
      expect(after).not.toEqual(frozen)
      const out = mkdtempSync(join(scratch, 'trained-'))
      rmSync(out, { recursive: true })
      await policy.saveWeights(out)
      await policy.dispose()
      return { after, bytes: fileOf(out, 'model.safetensors') }
    }
    const adapted = { kind: 'adapter', base: { kind: 'folder', path: stored.half }, path } as const
    const pairs: [ModelSource, ModelSource, boolean][] = [
      [adapted, { kind: 'folder', path: join(scratch, 'whole') }, true],
      [{ kind: 'folder', path: stored.half }, { kind: 'folder', path: stored.float32 }, false],
    ]
    for (const [frozen, whole, isReadied] of pairs) {
      const [actual, expected] = [await trained(frozen, { frozenBase: true }, isReadied), await trained(whole, {}, isReadied)]
      expect(actual.after).toEqual(expected.after)
      expect(actual.bytes.equals(expected.bytes)).toBe(true)
    }
  }, 120_000)
})

describe.each<[string, HalfType, 'keep' | 'recompute' | 'checkpointed']>([
  ['qwen2', 'bfloat16', 'keep'],
  ['qwen2', 'float16', 'keep'],
  ['gemma2', 'bfloat16', 'recompute'],
  ['gpt2', 'bfloat16', 'keep'],
  ['qwen2', 'bfloat16', 'checkpointed'],
])(
  '%s stored as %s, activations %s: an adapter run has the same bits as on the same numbers stored as float32',
  (family, type, activations) => {
    const layered = activations === 'checkpointed' ? ({ activationCheckpointing: 'layers' } as const) : {}
    const backend = new OnnxBackend({ ...shared, ...layered })
    const memory: OpenOptions = activations === 'checkpointed' ? {} : { activationMemory: activations }
    const expected = expectedCase(family)
    const groups = expected.groups.map(onlyTokens)
    const objective: Objective = (batch) => ({
      loss: 0,
      cotangents: batch.map(({ index }) => expected.groups[index]!.cotangents.map((weights) => Float32Array.from(weights))),
    })

    async function run(path: string, name: string) {
      const out = (what: string) => join(scratch, `${family}-${type}-${name}-${what}`)
      const base = { kind: 'folder', path } as const
      const policy = await backend.open(base, { frozenBase: true, ...memory })
      const before = await policy.snapshot()
      await policy.prepareTraining!({ lora })
      const trajectory: unknown[] = []
      for (let step = 0; step < 3; step++) {
        await policy.forwardBackward(groups, objective)
        trajectory.push(await policy.optimStep(adamW), await policy.logProbs(groups))
      }
      const prompts = groups.map(({ prompt }) => prompt)
      const texts = [await completions(policy, prompts, greedily), await completions(policy, prompts, { ...greedily, temperature: 1 })]
      const frozen = await before.logProbs(groups)
      await policy.saveAdapter!(out('adapter'))
      await policy.saveWeights(out('merged'))
      await policy.saveState(out('state'))
      await policy.dispose()
      const source: ModelSource = { kind: 'adapter', base, path: out('adapter') }
      const opened = await backend.open(source)
      const handedOn = [await opened.logProbs(groups), await completions(opened, prompts, greedily)]
      await opened.dispose()
      const files = [
        fileOf(out('adapter'), 'adapter_model.safetensors'),
        fileOf(out('merged'), 'model.safetensors'),
        fileOf(out('state'), 'training-state.safetensors'),
      ]
      return { trajectory, texts, frozen, handedOn, files }
    }

    it('scores, samples, trajectory, adapter, merged weights and state', async () => {
      const { half, float32 } = await storedTwice(folders.copy(family), type, join(scratch, family))
      const [halves, floats] = [await run(half, 'half'), await run(float32, 'float32')]
      expect(halves.trajectory).toEqual(floats.trajectory)
      expect(halves.texts).toEqual(floats.texts)
      expect(halves.frozen).toEqual(floats.frozen)
      expect(halves.handedOn).toEqual(floats.handedOn)
      for (const [i, file] of halves.files.entries()) expect(file.equals(floats.files[i]!)).toBe(true)
      // What is handed on is what was trained; the snapshot is the base, which is something else.
      expect(halves.handedOn[0]).toEqual(halves.trajectory.at(-1))
      expect(halves.handedOn[1]).toEqual(halves.texts[0])
      expect(halves.frozen).not.toEqual(halves.handedOn[0])
    }, 120_000)
  },
)

describe('a frozen base', () => {
  const settings: [FrozenWeights, number][] = [
    ['auto', 2],
    ['float32', 4],
  ]
  let base: { readonly kind: 'folder'; readonly path: string }
  let float32: string
  beforeAll(async () => {
    const stored = await storedTwice(folders.copy('qwen2'), 'bfloat16', join(scratch, 'frozen-weights'))
    base = { kind: 'folder', path: stored.half }
    float32 = stored.float32
  })

  it('is held as its files hold it or, where that is asked for, as float32, of a model alone and beneath an adapter; the same bits come out', async () => {
    const run = async (path: string, frozenWeights?: FrozenWeights) => {
      const backend = new OnnxBackend({ ...shared, frozenWeights })
      const policy = await backend.open({ kind: 'folder', path }, { frozenBase: true })
      await policy.prepareTraining!({ lora })
      await policy.forwardBackward(groups, objective)
      const norm = await policy.optimStep(adamW)
      const out = join(mkdtempSync(join(scratch, 'held-')), 'adapter')
      await policy.saveAdapter!(out)
      const texts = await completions(policy, [groups[0]!.prompt], { ...greedily, temperature: 1 })
      const made = [norm, await policy.logProbs(groups), texts, fileOf(out, 'adapter_model.safetensors').toString('hex')]
      await policy.dispose()
      return { out, made }
    }
    const expected = await run(float32)
    for (const [frozenWeights, bytes] of settings) {
      const { out, made } = await run(base.path, frozenWeights)
      expect(made).toEqual(expected.made)
      const load = jest.spyOn(BaseWeights, 'load')
      for (const source of [base, { kind: 'adapter', base, path: out } as const]) {
        const engine = new Engine()
        await engine.open(source, await loadTokenizer(base.path), { device: 'cpu', threads: 1, frozenBase: true, frozenWeights })
        await engine.close()
      }
      const loaded = await Promise.all(load.mock.results.map(({ value }) => value as Promise<BaseWeights>))
      load.mockRestore()
      const matrices = loaded.map(({ weights }) => [...weights.values()].filter(({ shape }) => shape.length > 1))
      expect(matrices.map((tensors) => [...new Set(tensors.map(({ data }) => data.BYTES_PER_ELEMENT))])).toEqual([[bytes], [bytes]])
    }
  }, 120_000)

  it.each(settings)(
    'of frozenWeights: %s is counted with %d bytes a number, and what is widened beside the activations',
    async (frozenWeights, bytes) => {
      const needsOf = (frozenWeights?: FrozenWeights) => new OnnxBackend({ ...shared, frozenWeights }).memory(base, { plan: { lora } })
      const needs = await needsOf(frozenWeights)
      const { config } = await openModelFolder(base.path)
      const numbers = [...parameterShapes(config).values()].map((shape) => (shape.length > 1 ? bytes : 4) * elements(shape))
      const factors = loraModules(lora, linearModules(config)).map((module) => 4 * lora.rank * (module.inFeatures + module.outFeatures))
      expect(needs!.weights).toBe([...numbers, ...factors].reduce((sum, one) => sum + one, 0))
      const largest = Math.max(...linearModules(config).map(({ inFeatures, outFeatures }) => inFeatures * outFeatures))
      expect((await needsOf())!.activations - needs!.activations).toBe(bytes === 4 ? 6 * largest : 0)
    },
  )
})

it.each([
  [5000, 'log-probs are kept'],
  [17_000, 'log-probs are computed again'],
])(
  'a head of %s words, in several parts, where %s: the same bits too',
  async (words) => {
    const folder = join(scratch, `words-${words}`)
    const tokenizer = join(scratch, `tokenizer-${words}.json`)
    writeFileSync(tokenizer, JSON.stringify(wordLevelTokenizerJson(['one', 'two'])))
    const shape = { hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1, intermediate_size: 12 }
    const architecture = { model_type: 'llama', vocab_size: words, max_position_embeddings: 32, tie_word_embeddings: true, ...shape }
    await writeModelFolder(folder, await loadModel({ kind: 'scratch', architecture, tokenizer, seed: 1 }))
    const { half, float32 } = await storedTwice(folder, 'bfloat16', folder + '-twice')
    const asked = [{ id: 'a', prompt: [1, 4000, 2], completions: [[3, words - 1, 2500], [2100]] }]
    const mean: Objective = (batch) => ({ loss: 0, cotangents: batch.map(({ tokenLogProbs }) => tokenLogProbs.map((_, c) => 1 - 3 * c)) })
    const run = async (path: string) => {
      const policy = await backend.open({ kind: 'folder', path }, { frozenBase: true })
      await policy.prepareTraining!({ lora })
      const found: unknown[] = []
      for (let step = 0; step < 2; step++) {
        await policy.forwardBackward(asked, mean)
        found.push(await policy.optimStep(adamW), await policy.logProbs(asked))
      }
      await policy.dispose()
      return found
    }
    expect(await run(half)).toEqual(await run(float32))
  },
  60_000,
)
