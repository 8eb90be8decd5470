import type { Objective } from '@plumbline/core'
import type { SelectedGroup } from '@plumbline/transformer'
import { expectedCase, ModelFolders } from '../../transformer/test/families/fixtures'
import { OnnxBackend } from '../src'
import { OnnxPolicy, type PolicySettings } from '../src/onnx-policy'
import type { EngineTeam } from '../src/worker/team'
import { expectGradients, expectLogProbs, expectTrajectory } from './support/family-checks'
import { testFamilyFactors } from './support/lora-families'
import { testAgainstPeft } from './support/lora-peft'
import { testAdapterPolicy } from './support/lora-policy'

const folders = new ModelFolders()
afterAll(() => folders.dispose())

const backend = new OnnxBackend({ threads: 1, microBatchTokens: 1_000_000, activationCheckpointing: 'layers' })

/** Layers of several kinds, biases and learnt positions, fused projections, layers without rope. `layers.test.ts` compares all cases with the engine's other way. */
const FAMILIES = ['gemma3', 'gpt2', 'phi3', 'smollm3']

it.each(FAMILIES)('%s layer by layer, as transformers computes it: log-probs, gradients of every tensor and ten steps', async (name) => {
  const { groups } = expectedCase(name)
  const policy = await backend.open({ kind: 'folder', path: folders.copy(name) })
  try {
    const untrained = folders.fresh('state')
    await policy.saveState(untrained)
    await expectLogProbs(
      policy,
      groups,
      groups.map(({ logProbs }) => logProbs),
    )
    await expectGradients(policy, name, folders.fresh('state'))
    await policy.loadState(untrained)
    await expectTrajectory(policy, name, folders.fresh('trained'))
  } finally {
    await policy.dispose()
  }
})

describe('adapters layer by layer', () => {
  testAgainstPeft(backend)
  testAdapterPolicy(backend, [
    ['nothing kept between the passes', { activationMemory: 'recompute' }],
    ['small micro-batches', { microBatchTokens: 12 }],
  ])
  testFamilyFactors(backend, FAMILIES)
})

describe('what is computed layer by layer', () => {
  const zeros: Objective = (batch) => ({
    loss: 0,
    cotangents: batch.map(({ tokenLogProbs }) => tokenLogProbs.map((tokens) => new Float32Array(tokens?.length ?? 0))),
  })

  /** The calls of a policy whose engine computes nothing: rows of each, and whether by layers. */
  async function calls(settings: PolicySettings, lengths: readonly number[]) {
    const seen: string[] = []
    const engine = {
      call: (method: string, part: readonly SelectedGroup[], ...rest: unknown[]) => {
        if (method === 'backward') return Promise.resolve()
        const tokens = part.flatMap(({ completions }) => completions).reduce((sum, completion) => sum + completion.length, 0)
        seen.push(`${method} ${tokens} ${String(rest.at(-1))}`)
        return Promise.resolve(new Float32Array(tokens))
      },
    }
    const team = {
      size: 1,
      share: async (items: readonly unknown[], work: (own: unknown, item: unknown) => Promise<unknown>) => {
        const results: unknown[] = []
        for (const item of items) results.push(await work(engine, item))
        return results
      },
    } as unknown as EngineTeam
    const info = { contextLength: 10_000, vocabularySize: 10 } as OnnxPolicy['info']
    const policy = new OnnxPolicy(team, info, {} as OnnxPolicy['tokenizer'], [], settings)
    const groups = lengths.map((length, id) => ({ id: `${id}`, prompt: [1], completions: [new Array<number>(length).fill(2)] }))
    await policy.logProbs(groups)
    await policy.forwardBackward(groups, zeros)
    return seen
  }
  const settings = { microBatchTokens: 20, loneGroupTokens: 40, activationMemory: 'keep' } as const

  it('is what has more rows than may be computed in one piece, when it is scored and when it is trained on', async () => {
    expect(await calls({ ...settings, checkpointedAbove: 40 }, [41, 30, 40, 10, 5])).toEqual([
      ...['logProbs 30 false', 'logProbs 40 false', 'logProbs 41 true', 'logProbs 15 false'],
      ...['forward 30 false', 'forward 40 false', 'forward 41 true', 'forward 15 false'],
    ])
  })

  it('is everything, or nothing, where that is asked for', async () => {
    for (const [checkpointedAbove, all] of [
      [0, true],
      [Infinity, false],
    ] as const) {
      const seen = await calls({ ...settings, checkpointedAbove }, [50, 3])
      expect(seen).toEqual(['logProbs 50', 'logProbs 3', 'forward 50', 'forward 3'].map((call) => `${call} ${all}`))
    }
  })

  it('is refused on a GPU, which computes models in one piece', async () => {
    const opened = new OnnxBackend({ device: 'webgpu', activationCheckpointing: 'layers' }).open({ kind: 'folder', path: 'none' })
    await expect(opened).rejects.toMatchObject({ code: 'PLUMB_CHECKPOINTING_UNSUPPORTED', where: 'backend.activationCheckpointing' })
  })
})
