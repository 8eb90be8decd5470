import type { Generation, SampleRequest, Sampler, SamplerContext } from '@plumbline/core'
import { z } from 'zod'

export const ladderOptions = z.strictObject({
  step: z.number().min(0).default(0.1).describe('What the temperature grows by from one candidate of a question to the next.'),
  highest: z.number().positive().default(1.5).describe('No candidate is drawn at a higher temperature.'),
})

/** Draws the candidates of a question at rising temperatures: the first are what the model would say, the last are more varied. */
export class LadderSampler implements Sampler {
  readonly name = 'template-name'

  constructor(private readonly options: z.output<typeof ladderOptions> = ladderOptions.parse({})) {}

  /**
   * Yields each (question, candidate) that is asked for once, in any order. What a candidate is may depend on the question, on its own index
   * and on the seed, and on nothing else: a resumed stage asks for the missing ones alone.
   */
  async *sample(requests: readonly SampleRequest[], { policy, sampling, signal }: SamplerContext): AsyncGenerator<Generation> {
    const indices = [...new Set(requests.flatMap(({ candidates }) => candidates))].sort((a, b) => a - b)
    for (const index of indices) {
      signal?.throwIfAborted()
      const prompts = requests
        .filter(({ candidates }) => candidates.includes(index))
        .map(({ question, promptTokens }) => ({ id: question.id, prompt: promptTokens, candidates: [index] }))
      yield* policy.generate(prompts, { ...sampling, temperature: this.temperature(sampling.temperature, index) }, { signal })
    }
  }

  private temperature(first: number, index: number): number {
    return Math.max(first, Math.min(first + index * this.options.step, this.options.highest))
  }
}
