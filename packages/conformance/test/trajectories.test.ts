import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createObjective, ReferenceLikelihood, type AlignmentLoss, type LabelledGroup, type TokenLogProbs } from '@plumbline/core'
import { ConstrainedAlignment } from '@plumbline/plugin-ca-loss'
import { Dpo } from '@plumbline/plugin-dpo'
import { Pro } from '@plumbline/plugin-pro'
import { Rrhf } from '@plumbline/plugin-rrhf'
import { TINY, TinyModel, tinyGroups, tokenGroups, type TinyGroup } from '../../backend-onnx/test/support/tiny'

interface Parity {
  losses: Record<string, { steps: { loss: number; grad_norm: number }[] }>
}

/** Ten steps of the PyTorch peer (`bench/peers/align_torch.py`) with the same weights, data and AdamW. */
const parity = JSON.parse(readFileSync(join(TINY, 'parity.json'), 'utf8')) as Parity
const adamW = { learningRate: 1e-4, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 } as const
const sum = (values: TokenLogProbs) => [...values!].reduce((a, b) => a + b, 0)

const labelled = (group: TinyGroup, referenceLogProbs?: number[]): LabelledGroup => ({
  id: group.id,
  k: group.completions.length,
  lengths: group.completions.map((completion) => completion.length),
  positive: group.positive,
  rewards: group.rewards,
  reference: group.completions.map((_, c) => c === group.reference),
  referenceLogProbs,
})

describe('the losses of the plugins, trained through core’s objective and the ONNX backend', () => {
  const model = new TinyModel()
  afterAll(() => model.dispose())

  const losses: [string, AlignmentLoss, boolean][] = [
    ['aft-bc', new ConstrainedAlignment({ constraint: 'boundary', feedback: 'binary' }), true],
    ['rrhf', new Rrhf(), true],
    ['pro', new Pro(), true],
    ['dpo', new Dpo(), false],
  ]

  it.each(losses)('%s takes the path that PyTorch takes', async (name, loss, withSft) => {
    const policy = await model.open()
    const reference = (await policy.logProbs(tokenGroups(tinyGroups))).map((group) => group.map(sum))
    const terms = [{ name, loss, weight: 1 }, ...(withSft ? [{ name: 'sft', loss: new ReferenceLikelihood(), weight: 1 }] : [])]
    for (const [step, expected] of parity.losses[name]!.steps.entries()) {
      const at = [0, 1, 2, 3].map((i) => (4 * step + i) % tinyGroups.length)
      const groups = at.map((index) => labelled(tinyGroups[index]!, reference[index]))
      const report = await policy.forwardBackward(
        tokenGroups(at.map((index) => tinyGroups[index]!)),
        createObjective({ losses: terms, groups }),
      )
      const { gradNorm } = await policy.optimStep(adamW)
      expect(Math.abs(report.loss / expected.loss - 1)).toBeLessThan(1e-3)
      expect(Math.abs(gradNorm / expected.grad_norm - 1)).toBeLessThan(1e-3)
    }
  })
})
