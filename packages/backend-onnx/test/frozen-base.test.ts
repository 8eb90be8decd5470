import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AdamWOptions, Generation, LoraPlan, ModelSource, Objective, Policy, Sampling } from '@plumbline/core'
import type { HalfType } from '@plumbline/transformer'
import { expectedCase, ModelFolders } from '../../transformer/test/families/fixtures'
import { OnnxBackend } from '../src'
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
const backend = new OnnxBackend({ threads: 2, engines: 1 })

async function completions(policy: Policy, prompts: readonly (readonly number[])[], sampling: Sampling): Promise<(readonly number[])[]> {
  const found: Generation[] = []
  const asked = prompts.map((prompt, id) => ({ id: `q${id}`, prompt, candidates: [0, 1] }))
  for await (const generation of policy.generate(asked, sampling)) found.push(generation)
  return found.sort((a, b) => a.id.localeCompare(b.id) || a.candidate - b.candidate).map(({ tokens }) => tokens)
}

describe.each<[string, HalfType, 'keep' | 'recompute']>([
  ['qwen2', 'bfloat16', 'keep'],
  ['qwen2', 'float16', 'keep'],
  ['gemma2', 'bfloat16', 'recompute'],
  ['gpt2', 'bfloat16', 'keep'],
])(
  '%s stored as %s, activations %s: an adapter run has the same bits as on the same numbers stored as float32',
  (family, type, activationMemory) => {
    const expected = expectedCase(family)
    const groups = expected.groups.map(onlyTokens)
    const objective: Objective = (batch) => ({
      loss: 0,
      cotangents: batch.map(({ index }) => expected.groups[index]!.cotangents.map((weights) => Float32Array.from(weights))),
    })

    async function run(path: string, name: string) {
      const out = (what: string) => join(scratch, `${family}-${type}-${name}-${what}`)
      const base = { kind: 'folder', path } as const
      const policy = await backend.open(base, { frozenBase: true, activationMemory })
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
