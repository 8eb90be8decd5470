/** @jest-environment ./packages/backend-onnx/test/support/onnx-environment.cjs */
import type { Generation } from '@plumbline/core'
import { expectedCase, FAMILY_CASES, ModelFolders } from '../../../transformer/test/families/fixtures'
import { BEYOND_CONTEXT } from '../../../transformer/test/families/pending'
import { DeviceSession } from '../../src/device/session'
import type { Engine } from '../../src/worker/engine'
import { engineWith } from '../support/in-process'

/**
 * What a GPU computes of every family, held against transformers, by the CPU's provider: the graphs are those of a GPU, the kernels are not.
 * `families.test.ts` has these on an adapter.
 */
const folders = new ModelFolders()
beforeAll(() => (DeviceSession.provider = 'cpu'))
afterAll(() => {
  DeviceSession.provider = 'webgpu'
  folders.dispose()
})

describe.each(FAMILY_CASES.filter((name) => !BEYOND_CONTEXT.includes(name)))('%s, as transformers computes it', (name) => {
  const { groups, adamW, trajectory, greedy } = expectedCase(name)
  const cotangents = Float32Array.from(groups.flatMap((group) => group.cotangents.flat()))
  let engine: Engine
  beforeAll(async () => (engine = await engineWith({ kind: 'folder', path: folders.copy(name) }, 'webgpu')))
  afterAll(() => engine.close())

  it('greedy text', async () => {
    const found: (readonly number[])[] = []
    engine.context = {
      emit: (event) => (found[Number((event as Generation).id)] = (event as Generation).tokens),
      aborted: () => false,
    }
    const prompts = greedy.map(({ prompt }, i) => ({ id: `${i}`, prompt, candidates: [0] }))
    await engine.generate(prompts, { seed: 0, temperature: 0, maxNewTokens: greedy[0]!.tokens.length, endTokens: [] })
    expect(found).toEqual(greedy.map(({ tokens }) => tokens))
  })

  it('log-probs, and the norms of the gradients of three steps', async () => {
    await engine.prepareTraining({ frozen: [], keep: true })
    for (const expected of trajectory.gradNorms.slice(0, 3)) {
      const logProbs = await engine.forward(groups, true)
      if (expected === trajectory.gradNorms[0]) {
        const wanted = groups.flatMap((group) => group.logProbs.flat())
        expect(Math.max(...wanted.map((value, t) => Math.abs(value - logProbs[t]!)))).toBeLessThan(2e-5)
      }
      await engine.backward(cotangents)
      expect(Math.abs((await engine.optimStep(adamW)) / expected - 1)).toBeLessThan(1e-4)
    }
  })
})
