import { runConfig, type Generation, type SampleRequest, type Sampler, type SamplerContext } from '../../src'
import { failure } from '../support/files'
import { world } from '../support/world'

/** Samples from the policy, and writes down what it is told and when it is let go. */
function recordingSampler(sample?: () => void) {
  const seen: { models: unknown[]; closed: number } = { models: [], closed: 0 }
  const sampler: Sampler = {
    name: 'recording',
    async *sample(requests: readonly SampleRequest[], { policy, sampling, model }: SamplerContext): AsyncGenerator<Generation> {
      seen.models.push(model)
      sample?.()
      yield* policy.generate(
        requests.map(({ question: { id }, promptTokens, candidates }) => ({ id, prompt: promptTokens, candidates })),
        sampling,
      )
    },
    close: async () => {
      seen.closed++
    },
  }
  return { sampler, seen }
}

it('a sampler is told what the policy was opened from, and let go once the stage has sampled', async () => {
  const { sampler, seen } = recordingSampler()
  const made = await world({ sampler, config: { sft: { steps: 2 } } })
  await runConfig({ ...made, last: 'sample' })
  expect(seen.models).toEqual([{ kind: 'folder', path: expect.stringMatching(/[\\/]sft-\w+[\\/]model$/) as unknown }])
  expect(seen.closed).toBe(1)
})

it('and let go where it fails', async () => {
  const { sampler, seen } = recordingSampler(() => {
    throw new TypeError('boom')
  })
  const made = await world({ sampler, config: { sft: { steps: 0 } } })
  const error = await failure(() => runConfig({ ...made, last: 'sample' }))
  expect(error).toMatchObject({ code: 'PLUMB_PLUGIN_FAILED' })
  expect(seen.closed).toBe(1)
})
