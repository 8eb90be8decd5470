import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Backend, Generation, LoraPlan, Objective, TrainingPlan } from '@plumbline/core'
import { readSafetensors } from '@plumbline/transformer'
import { OnnxBackend } from '../../../backend-onnx/src'
import { expectedCase, ModelFolders } from '../../../transformer/test/families/fixtures'
import { TorchBackend } from '../../src'
import { describeWhole } from '../support/python'

/** Sampling, draws and files that both engines have must be the same; `families` holds both to the numbers of transformers. */
describeWhole('PyTorch beside the ONNX engine', (python) => {
  const folders = new ModelFolders()
  afterAll(() => folders.dispose())
  const torch = new TorchBackend({ python, device: 'cpu', threads: 1 })
  const onnx = new OnnxBackend({ threads: 1 })

  async function sampled(backend: Backend, path: string, sampling: { readonly topK?: number; readonly topP?: number }) {
    const policy = await backend.open({ kind: 'folder', path })
    const prompts = expectedCase('qwen2').groups.map(({ id, prompt }) => ({ id, prompt, candidates: [0, 1, 2, 5] }))
    const found: Generation[] = []
    for await (const each of policy.generate(prompts, { seed: 3, temperature: 1.3, maxNewTokens: 12, ...sampling })) found.push(each)
    await policy.dispose()
    return found.sort((a, b) => a.id.localeCompare(b.id) || a.candidate - b.candidate)
  }

  it.each([
    ['qwen2', {}],
    ['gemma2', { topK: 7 }],
    ['mistral-window', { topP: 0.8 }],
    ['gpt2', { topK: 20, topP: 0.9 }],
  ])('%s: the same seeds draw the same tokens, %j', async (name, sampling) => {
    const path = folders.copy(name)
    const ours = await sampled(torch, path, sampling)
    expect(ours.length).toBeGreaterThanOrEqual(8)
    expect(new Set(ours.map(({ tokens }) => tokens.join(' '))).size).toBeGreaterThan(4)
    expect(ours).toEqual(await sampled(onnx, path, sampling))
  })

  const { groups } = expectedCase('gpt2')
  const asked = groups.map(({ id, prompt, completions }) => ({ id, prompt, completions }))
  const objective: Objective = (batch) => ({
    loss: 0,
    cotangents: batch.map(({ index }) => groups[index]!.cotangents.map((weights) => Float32Array.from(weights))),
  })
  const adamW = { learningRate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-2, weightDecay: 0.1 } as const

  /** The first moments after two steps. */
  async function moments(backend: Backend, path: string, lora?: LoraPlan, state?: string, held?: TrainingPlan['moments']) {
    const policy = await backend.open({ kind: 'folder', path })
    await policy.prepareTraining!({ lora, moments: held })
    if (state !== undefined) await policy.loadState(state)
    for (let step = 0; step < 2; step++) {
      await policy.forwardBackward(asked, objective)
      await policy.optimStep(adamW)
    }
    const folder = folders.fresh('state')
    await policy.saveState(folder)
    await policy.dispose()
    return { folder, tensors: await readSafetensors(join(folder, 'training-state.safetensors')) }
  }

  function expectNear(found: Awaited<ReturnType<typeof moments>>['tensors'], expected: typeof found, within = 1e-4): void {
    expect([...found.keys()].sort()).toEqual([...expected.keys()].sort())
    for (const [name, { data, shape }] of expected) {
      expect({ name, shape: found.get(name)!.shape }).toEqual({ name, shape })
      const largest = Math.max(...data.map(Math.abs))
      const error = Math.max(...data.map((value, i) => Math.abs(value - found.get(name)!.data[i]!)))
      expect({ name, error, near: error <= within * largest }).toMatchObject({ near: true })
    }
  }

  it('drops the same inputs of an adapter', async () => {
    const path = folders.copy('gpt2')
    const plan: LoraPlan = { rank: 2, alpha: 8, rslora: false, dropout: 0.4, targetModules: 'all-linear', seed: 9 }
    const [ours, theirs] = [await moments(torch, path, plan), await moments(onnx, path, plan)]
    expectNear(ours.tensors, theirs.tensors)
    const without = await moments(torch, path, { ...plan, dropout: 0 })
    expect(() => expectNear(without.tensors, theirs.tensors)).toThrow()
  })

  it('holds moments in bfloat16 as the other engine does, and goes on from its state; one of float32 moments is refused', async () => {
    const path = folders.copy('gpt2')
    const [ours, theirs] = [
      await moments(torch, path, undefined, undefined, 'bfloat16'),
      await moments(onnx, path, undefined, undefined, 'bfloat16'),
    ]
    // A last bit of bfloat16 is 2⁻⁸ of the number.
    expectNear(ours.tensors, theirs.tensors, 2 ** -7)
    const header = readFileSync(join(ours.folder, 'training-state.safetensors')).toString('latin1')
    expect(header.slice(0, 4000)).toMatch(/"mean\.[\w.]+":\{"dtype":"BF16"/)
    const [on, back] = [
      await moments(torch, path, undefined, theirs.folder, 'bfloat16'),
      await moments(onnx, path, undefined, ours.folder, 'bfloat16'),
    ]
    expectNear(on.tensors, back.tensors, 2 ** -6)
    await expect(moments(torch, path, undefined, ours.folder)).rejects.toMatchObject({ code: 'PLUMB_STATE_MODEL_DIFFERS' })
  })

  it('goes on from a state that the other engine wrote, in both directions', async () => {
    const path = folders.copy('gpt2') // whose files hold matrices as [in, out], which states do not
    const [ours, theirs] = [await moments(torch, path), await moments(onnx, path)]
    expectNear((await moments(torch, path, undefined, theirs.folder)).tensors, (await moments(onnx, path, undefined, ours.folder)).tensors)
  })
})
