import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { relativeError } from '@plumbline/conformance'
import { lossAndGradient } from '@plumbline/core'
import { Dpo } from '../src'

interface TrlCase {
  loss_type: 'sigmoid' | 'hinge' | 'ipo' | 'robust'
  beta: number
  label_smoothing: number
  lengths: [number, number]
  logProbs: [number, number]
  referenceLogProbs: [number, number]
  loss: number
  grad: [number, number]
  metrics: Record<string, number>
}

/** What TRL's own DPOTrainer computes; made by `fixtures/make_trl_losses.py`. */
const { cases } = JSON.parse(readFileSync(join(__dirname, 'fixtures/trl-losses.json'), 'utf8')) as { cases: TrlCase[] }

it.each(cases.map((trl) => [trl.loss_type, trl.beta, trl.lengths.join(' and '), trl] as const))(
  '%s with β = %d on lengths %s is TRL’s loss, gradient and metrics',
  (_, dpoBeta, __, trl) => {
    const { lengths, logProbs, referenceLogProbs } = trl
    const group = { k: 2, lengths, logProbs, referenceLogProbs, positive: [true, false], rewards: [1, 0], reference: [false, false] }
    const dpo = new Dpo({ lossType: trl.loss_type, dpoBeta, labelSmoothing: trl.label_smoothing })
    expect(relativeError(lossAndGradient(dpo, group), trl)).toBeLessThan(1e-6)
    const metrics = dpo.metrics({ ...group, scores: logProbs.map((l, c) => l / lengths[c]!) })
    expect(Object.keys(metrics).sort()).toEqual(Object.keys(trl.metrics).sort())
    for (const [name, value] of Object.entries(trl.metrics)) expect(metrics[name]).toBeCloseTo(value, 10)
  },
)
