import assert from 'node:assert/strict'
import { it } from 'node:test'
import { dicePolicy } from '@plumbline/conformance'
import type { Policy } from '@plumbline/core'
import { LadderSampler } from '../src/index'

it('asks for each candidate at its own temperature', async () => {
  const policy = dicePolicy()
  const asked: [candidates: readonly number[], temperature: number][] = []
  const watched: Policy = {
    ...policy,
    generate(prompts, sampling, options) {
      asked.push([prompts.flatMap(({ candidates }) => candidates), sampling.temperature])
      return policy.generate(prompts, sampling, options)
    },
  }
  const requests = [{ question: { id: 'q', prompt: '2 + 2' }, promptTokens: [1], candidates: [0, 1, 3] }]
  const sampling = { seed: 0, temperature: 0.7, maxNewTokens: 4 }
  const sampler = new LadderSampler({ step: 0.5, highest: 1.5 })
  let count = 0
  for await (const { id } of sampler.sample(requests, { policy: watched, sampling })) count += id === 'q' ? 1 : 0
  assert.equal(count, 3)
  assert.deepEqual(asked, [
    [[0], 0.7],
    [[1], 1.2],
    [[3], 1.5],
  ])
})
