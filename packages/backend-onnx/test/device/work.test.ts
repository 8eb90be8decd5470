/** @jest-environment ./packages/backend-onnx/test/support/onnx-environment.cjs */
import { join } from 'node:path'
import type { AdamWOptions, Generation, GenerationPrompt, ModelSource, Sampling } from '@plumbline/core'
import { loadModel, packGroups, parameterShapes, type PackedGroup } from '@plumbline/transformer'
import { PLAIN } from '../../src/graph/attention-layout'
import { DeviceSession, deviceWork, type DeviceWork } from '../../src/device/session'
import { deviceBlocks } from '../../src/training/attention-blocks'
import type { Engine } from '../../src/worker/engine'
import { engineWith } from '../support/in-process'
import { TinyModel, tinyGroups } from '../support/tiny'

/**
 * What a GPU's engine computes, and how often it asks for something and waits: by the CPU's provider, so that it needs no adapter. The graphs,
 * the runs and what stays where are those of a GPU; the kernels are not, and `backend.test.ts` has these on an adapter.
 */
const tiny = new TinyModel()
const source: ModelSource = { kind: 'folder', path: tiny.path }
beforeAll(() => (DeviceSession.provider = 'cpu'))
afterAll(async () => {
  DeviceSession.provider = 'webgpu'
  await tiny.dispose()
})

const engineOn = (device: 'cpu' | 'webgpu') => engineWith(source, device)

/** Runs and reads that something takes. */
async function workOf(what: () => Promise<unknown>): Promise<DeviceWork> {
  const { runs, uploads, reads } = deviceWork
  await what()
  return { runs: deviceWork.runs - runs, uploads: deviceWork.uploads - uploads, reads: deviceWork.reads - reads }
}

describe('a training step', () => {
  const adamW: AdamWOptions = { learningRate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.1, maxGradNorm: 1 }
  const groups: PackedGroup[] = tinyGroups.slice(0, 3).map(({ prompt, completions }) => ({ prompt, completions }))
  const parts = [groups.slice(0, 1), groups.slice(1)]

  /** Of every second completion zero, so that rows are left out. */
  const cotangents = (part: readonly PackedGroup[]) =>
    Float32Array.from(part.flatMap(({ completions }) => completions.flatMap((tokens, c) => tokens.map((_, t) => (c % 2) * Math.cos(t)))))

  /** So long a prompt beside so many short completions that it is no sequence among them. */
  const long: PackedGroup[] = [
    { prompt: Array.from({ length: 240 }, (_, i) => 5 + ((i * 37) % 500)), completions: Array.from({ length: 24 }, (_, c) => [7 + c, 9]) },
  ]

  async function step(engine: Engine, of = cotangents, asked: readonly (readonly PackedGroup[])[] = parts): Promise<number> {
    for (const part of asked) {
      await engine.forward(part, true)
      await engine.backward(of(part))
    }
    return engine.optimStep(adamW)
  }

  it('takes long prompts by themselves, with the norms and weights of the CPU', async () => {
    const { heads } = (await loadModel(source)).config
    expect(deviceBlocks(packGroups(long), heads).layout).toBe(PLAIN)
    const [host, device] = [await engineOn('cpu'), await engineOn('webgpu')]
    for (const engine of [host, device]) await engine.prepareTraining({ frozen: [], keep: true })
    for (let i = 0; i < 2; i++) {
      const [found, expected] = [await step(device, cotangents, [long]), await step(host, cotangents, [long])]
      expect(Math.abs(found / expected - 1)).toBeLessThan(1e-5)
    }
    const [expected, found] = [await host.logProbs(long), await device.logProbs(long)]
    for (const [t, value] of found.entries()) expect(Math.abs(value - expected[t]!)).toBeLessThan(1e-4)
    await host.close()
    await device.close()
  })

  it('has the norms and weights of the CPU, step by step', async () => {
    const [host, device] = [await engineOn('cpu'), await engineOn('webgpu')]
    for (const engine of [host, device]) await engine.prepareTraining({ frozen: [], keep: true })
    for (let i = 0; i < 4; i++) expect(Math.abs((await step(device)) / (await step(host)) - 1)).toBeLessThan(1e-5)
    const [expected, found] = [await host.logProbs(groups), await device.logProbs(groups)]
    for (const [t, value] of found.entries()) expect(Math.abs(value - expected[t]!)).toBeLessThan(1e-4)
    await host.close()
    await device.close()
  })

  it('goes on from a saved state as it would have gone on', async () => {
    const folder = join(tiny.folder, 'state')
    const engines = [await engineOn('webgpu'), await engineOn('webgpu'), await engineOn('cpu')]
    const [device, again, host] = engines as [Engine, Engine, Engine]
    for (const engine of engines) await engine.prepareTraining({ frozen: ['model.norm.weight'], keep: true })
    await step(device)
    await device.saveState(folder)
    const expected = [await step(device), await device.logProbs(groups)]
    await again.loadState(folder)
    expect([await step(again), await again.logProbs(groups)]).toEqual(expected)
    // The file is the CPU's too, which names every tensor.
    await host.loadState(folder)
    expect(Math.abs((await step(host)) / (expected[0] as number) - 1)).toBeLessThan(1e-5)
    for (const engine of engines) await engine.close()
  })

  it('runs little beside its passes, and waits for the log-probs and the norms alone', async () => {
    const engine = await engineOn('webgpu')
    await engine.prepareTraining({ frozen: [], keep: true })
    await step(engine)
    const tensors = [...parameterShapes((await loadModel(source)).config).values()]
    const shapes = new Set(tensors.map((shape) => shape.join()))
    expect([tensors.length, shapes.size]).toEqual([21, 6])
    // An update takes tensors of one width together: matrices of two widths, vectors.
    const updates = new Set(tensors.map(([, ...width]) => width.join())).size
    expect(updates).toBe(3)
    // Both passes of each part and a selection of rows between them; zeros once a shape; one run for all norms.
    const runs = 2 * (1 + 1 + 1) + shapes.size + 1 + updates
    // What describes a part to either pass, and which rows are selected; seven numbers of an update.
    const uploads = 2 * (14 + 25 + 2) + 7 * updates
    expect(await workOf(() => step(engine))).toEqual({ runs, uploads, reads: 2 + 1 })
    await engine.close()
  })
})

describe('sampling', () => {
  const prompts: GenerationPrompt[] = [3, 16, 20, 33].map((length, i) => ({
    id: `q${i}`,
    prompt: Array.from({ length }, (_, j) => 5 + ((j * 37 + i * 11) % 500)),
    candidates: Array.from({ length: [1, 5, 3, 2][i]! }, (_, c) => c),
  }))

  async function sampled(engine: Engine, sampling: Sampling): Promise<Map<string, Generation>> {
    const found = new Map<string, Generation>()
    engine.context = {
      emit: (event) => found.set(`${(event as Generation).id}/${(event as Generation).candidate}`, event as Generation),
      aborted: () => false,
    }
    await engine.generate(prompts, sampling)
    return found
  }

  // Past two blocks of 32 cached tokens; ends within eight steps and at their border.
  it.each<[string, Sampling]>([
    ['the likeliest', { seed: 3, temperature: 0, maxNewTokens: 70 }],
    ['one drawn from all', { seed: 5, temperature: 0.8, maxNewTokens: 70 }],
    ['one of the nucleus of the best 40', { seed: 5, temperature: 1, topK: 40, topP: 0.9, maxNewTokens: 33 }],
    [
      'one until an end that some come to',
      { seed: 7, temperature: 1, maxNewTokens: 40, endTokens: Array.from({ length: 16 }, (_, i) => 30 * i) },
    ],
    ['a single one', { seed: 7, temperature: 1, maxNewTokens: 1 }],
    ['nine', { seed: 7, temperature: 1, maxNewTokens: 9 }],
  ])('takes the tokens that the CPU takes: %s', async (_, sampling) => {
    const [host, device] = [await engineOn('cpu'), await engineOn('webgpu')]
    const [expected, found] = [await sampled(host, sampling), await sampled(device, sampling)]
    expect(found.size).toBe(11)
    if (sampling.endTokens) expect(new Set([...found.values()].map(({ finish }) => finish))).toEqual(new Set(['eos', 'length']))
    expect(new Map([...found].sort())).toEqual(new Map([...expected].sort()))
    await host.close()
    await device.close()
  })

  it('looks at the tokens every eight steps', async () => {
    const engine = await engineOn('webgpu')
    const sampling: Sampling = { seed: 5, temperature: 1, maxNewTokens: 64, endTokens: [] }
    await sampled(engine, sampling)
    // The prefill and its choice; an empty cache for the keys and one for the values (shared by the layers), the numbers of the slots, and three that every choice reads;
    // a step for each of 63 tokens, which chooses as well, and a look at every eight; one new layout, with its slots.
    const runs = 2 + 2 + 1 + 3 + 63 + 8 + 2
    // Of a token its slot, positions, mask and draws; the ids that the host knows and what was chosen before, at first and behind a look.
    const uploads = 5 + 4 + 1 + 3 + 4 * 63 + 2 * 8 + 3
    expect(await workOf(() => sampled(engine, sampling))).toEqual({ runs, uploads, reads: 2 + 8 })
    await engine.close()
  })
})
