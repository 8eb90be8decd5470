import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Policy } from '@plumbline/core'
import { peerObjective, type PeerLoss } from '../../backend-onnx/test/support/aft'
import { GpuBackend } from '../src'
import { describeDevices } from './support/devices'
import { TINY, TinyModel, tinyGroups, tokenGroups } from '../../backend-onnx/test/support/tiny'

type Scores = Record<string, { mean_logprob: number[] }>

interface Parity {
  readonly scores_step0: Scores
  readonly losses: Record<PeerLoss, { steps: { loss: number; grad_norm: number }[]; scores_end: Scores }>
}

const parity = JSON.parse(readFileSync(join(TINY, 'parity.json'), 'utf8')) as Parity
const adamW = { learningRate: 1e-4, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 } as const

async function expectScores(policy: Policy, expected: Scores, count = 16): Promise<void> {
  const groups = tinyGroups.filter(({ id }) => id in expected).slice(0, count)
  expect(groups.length).toBe(count)
  const found = await policy.logProbs(tokenGroups(groups))
  for (const [g, { id }] of groups.entries()) {
    for (const [c, values] of found[g]!.entries()) {
      const score = values!.reduce((sum, value) => sum + value, 0) / values!.length
      expect(Math.abs(score - expected[id]!.mean_logprob[c]!)).toBeLessThan(1e-4)
    }
  }
}

describeDevices('the PyTorch peer’s tiny workload', (device) => {
  const model = new TinyModel(new GpuBackend({ device }))
  afterAll(() => model.dispose())

  // Plain JavaScript is too slow for the whole of it.
  const slow = device === 'javascript'
  const losses = slow ? (['sft'] as const) : (['sft', 'aft-none', 'aft-dc', 'aft-bc'] as const)
  const [scored, last] = slow ? [3, 1] : [16, 8]

  it('scores alike before training', async () => {
    await expectScores(await model.open(), parity.scores_step0, scored)
  })

  it.each(losses)('%s takes the same path', async (name) => {
    const policy = await model.open()
    const { steps, scores_end } = parity.losses[name]
    for (const [step, expected] of steps.slice(0, last).entries()) {
      const groups = Array.from({ length: 4 }, (_, i) => tinyGroups[(4 * step + i) % tinyGroups.length]!)
      const needed = name === 'sft' ? groups.map((group) => group.completions.map((_, c) => c === group.reference)) : undefined
      const asked = tokenGroups(groups).map((group, g) => ({ ...group, needed: needed?.[g] }))
      const { loss } = await policy.forwardBackward(asked, peerObjective(name, groups))
      const { gradNorm } = await policy.optimStep(adamW)
      expect(Math.abs(loss / expected.loss - 1)).toBeLessThan(1e-4)
      expect(Math.abs(gradNorm / expected.grad_norm - 1)).toBeLessThan(1e-3)
    }
    if (last === steps.length) await expectScores(policy, scores_end)
  })
})
