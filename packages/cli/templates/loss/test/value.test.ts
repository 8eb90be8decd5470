import assert from 'node:assert/strict'
import { it } from 'node:test'
import { lossAndGradient } from '@plumbline/core'
import { MarginLoss } from '../src/index'

it('is the sum over pairs of what lacks to the margin', () => {
  // one right candidate at −1, wrong ones at −1.05 (0.05 behind, so 0.05 lacks) and −2 (far enough)
  const scores = [-1, -1.05, -2]
  const { loss } = lossAndGradient(new MarginLoss({ margin: 0.1 }), {
    k: 3,
    logProbs: scores.map((score) => 10 * score),
    lengths: [10, 10, 10],
    positive: [true, false, false],
    rewards: [1, 0, 0],
    reference: [true, false, false],
  })
  assert.ok(Math.abs(loss - 0.05) < 1e-6)
})
