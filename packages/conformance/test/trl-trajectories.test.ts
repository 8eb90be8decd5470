import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createObjective, type AlignmentLoss, type LabelledGroup, type Policy, type TokenGroup, type TokenLogProbs } from '@plumbline/core'
import { DpoListwise } from '@plumbline/plugin-dpo-listwise'
import { Kto } from '@plumbline/plugin-kto'
import { Orpo } from '@plumbline/plugin-orpo'
import { Simpo } from '@plumbline/plugin-simpo'
import { TinyModel, tinyGroups, type TinyGroup } from '../../backend-onnx/test/support/tiny'

interface Trajectory {
  readonly learning_rate: number
  readonly batch: number
  readonly losses: Readonly<Record<string, { readonly steps: readonly { loss: number; grad_norm: number; kl?: number }[] }>>
}

/** Ten steps of TRL's own trainers from the same weights on the same tokens; made by `fixtures/make_trl_trajectories.py`. */
const trl = JSON.parse(readFileSync(join(__dirname, 'fixtures/trl-trajectories.json'), 'utf8')) as Trajectory
const adamW = { learningRate: trl.learning_rate, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 } as const
const sum = (values: TokenLogProbs) => [...values!].reduce((a, b) => a + b, 0)
const best = ({ rewards }: TinyGroup) => rewards.indexOf(Math.max(...rewards))
const worst = ({ rewards }: TinyGroup) => rewards.indexOf(Math.min(...rewards))

/** What TRL is given of a question: its best and its worst candidate, or for KTO one of them, by turns. */
interface Question {
  readonly tokens: TokenGroup
  readonly positive: readonly boolean[]
}

const pairs = tinyGroups.map((group): Question => {
  const completions = [group.completions[best(group)]!, group.completions[worst(group)]!]
  return { tokens: { id: group.id, prompt: group.prompt, completions }, positive: [true, false] }
})
const single = pairs.map(({ tokens, positive }, n): Question => {
  const at = n % 2
  return { tokens: { ...tokens, completions: [tokens.completions[at]!] }, positive: [positive[at]!] }
})

const logProbs = async (policy: Policy, groups: readonly TokenGroup[]) => (await policy.logProbs(groups)).map((group) => group.map(sum))

describe('the losses that TRL has, trained through core’s objective and the ONNX backend', () => {
  const model = new TinyModel()
  afterAll(() => model.dispose())

  const losses: [string, AlignmentLoss, readonly Question[]][] = [
    ['simpo', new Simpo({ simpoBeta: 2, simpoGamma: 0.5 }), pairs],
    ['orpo', new Orpo({ lambda: 0.1 }), pairs],
    ['dpo-listwise', new DpoListwise({ dpoBeta: 0.1 }), pairs],
    ['kto', new Kto({ ktoBeta: 0.5, undesirableWeight: 1.5 }), single],
    ['kto-zero', new Kto({ ktoBeta: 0.5, undesirableWeight: 1.5, referencePoint: 'zero' }), single],
  ]

  it.each(losses)('%s takes the path that TRL takes', async (name, loss, questions) => {
    const policy = await model.open()
    const { needsReference, needsDivergence } = loss.manifest
    const all = questions.map(({ tokens }) => tokens)
    // TRL's own choice: behind every prompt the answer before it, within the batch
    const mismatched = all.map(({ id, prompt }, n): TokenGroup => {
      const first = n - (n % trl.batch)
      return { id, prompt, completions: all[first + ((n - first + trl.batch - 1) % trl.batch)]!.completions }
    })
    const reference = needsReference ? await logProbs(policy, all) : undefined
    const mismatchedReference = needsDivergence ? await logProbs(policy, mismatched) : undefined
    for (const [step, expected] of trl.losses[name]!.steps.entries()) {
      const at = Array.from({ length: trl.batch }, (_, i) => (trl.batch * step + i) % all.length)
      const groups = at.map((n): LabelledGroup => {
        const { tokens, positive } = questions[n]!
        return {
          id: tokens.id,
          k: positive.length,
          lengths: tokens.completions.map((completion) => completion.length),
          positive,
          rewards: positive.map(Number),
          reference: positive.map(() => false),
          referenceLogProbs: reference?.[n],
        }
      })
      let divergence = 0
      if (mismatchedReference) {
        const now = await logProbs(
          policy,
          at.map((n) => mismatched[n]!),
        )
        divergence = Math.max(0, at.reduce((total, n, i) => total + now[i]![0]! - mismatchedReference[n]![0]!, 0) / at.length)
        expect(divergence).toBeCloseTo(expected.kl!, 4)
      }
      const report = await policy.forwardBackward(
        at.map((n) => all[n]!),
        createObjective({ losses: [{ name, loss, weight: 1 }], groups, divergence: () => divergence }),
      )
      const { gradNorm } = await policy.optimStep(adamW)
      expect(Math.abs(report.loss / expected.loss - 1)).toBeLessThan(1e-4)
      expect(Math.abs(gradNorm / expected.grad_norm - 1)).toBeLessThan(1e-3)
    }
  })
})
