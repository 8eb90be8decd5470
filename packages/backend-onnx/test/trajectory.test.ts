import { parity, peerObjective } from './support/aft'
import { TinyModel, tinyGroups, tokenGroups } from './support/tiny'

const adamW = { learningRate: 1e-4, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 } as const

describe('against the PyTorch peer on its tiny workload', () => {
  const model = new TinyModel()
  afterAll(() => model.dispose())

  async function expectScores(
    policy: Awaited<ReturnType<TinyModel['open']>>,
    expected: Record<string, { mean_logprob: number[] }>,
  ): Promise<void> {
    const groups = tinyGroups.filter(({ id }) => id in expected)
    const found = await policy.logProbs(tokenGroups(groups))
    for (const [g, { id }] of groups.entries()) {
      for (const [c, values] of found[g]!.entries()) {
        const score = values!.reduce((sum, value) => sum + value, 0) / values!.length
        expect(Math.abs(score - expected[id]!.mean_logprob[c]!)).toBeLessThan(1e-4)
      }
    }
  }

  it('scores alike before training', async () => {
    const policy = await model.open()
    await expectScores(policy, parity.scores_step0)
  })

  it.each(['sft', 'aft-none', 'aft-dc', 'aft-bc'] as const)('%s takes the same path', async (name) => {
    const policy = await model.open()
    const { steps, scores_end } = parity.losses[name]
    for (const [step, expected] of steps.entries()) {
      const groups = Array.from({ length: 4 }, (_, i) => tinyGroups[(4 * step + i) % tinyGroups.length]!)
      const needed = name === 'sft' ? groups.map((group) => group.completions.map((_, c) => c === group.reference)) : undefined
      const asked = tokenGroups(groups).map((group, g) => ({ ...group, needed: needed?.[g] }))
      const { loss } = await policy.forwardBackward(asked, peerObjective(name, groups))
      const { gradNorm } = await policy.optimStep(adamW)
      expect(Math.abs(loss / expected.loss - 1)).toBeLessThan(1e-4)
      expect(Math.abs(gradNorm / expected.grad_norm - 1)).toBeLessThan(1e-3)
    }
    await expectScores(policy, scores_end)
  })
})
