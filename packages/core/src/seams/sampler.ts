import type { Policy, Generation, Sampling, StepOptions } from './policy'
import type { Question } from './records'

/** Where candidates come from: the policy itself, a remote model, a file. */
export interface Sampler {
  readonly name: string
  /**
   * Yields candidates as they finish, in any order; each (question id, candidate) exactly once.
   * The same request gives the same candidates, whatever else is asked for in the same call.
   */
  sample(requests: readonly SampleRequest[], context: SamplerContext): AsyncIterable<Generation>
}

export interface SampleRequest {
  readonly question: Question
  /** Prompt tokens, special tokens included. */
  readonly promptTokens: readonly number[]
  /** Candidate indices to produce: 0 … k−1, without those already there. */
  readonly candidates: readonly number[]
}

export interface SamplerContext extends StepOptions {
  readonly policy: Policy
  /** Temperature, truncation, stop strings, length and the seed, as the config's `sample` section says. */
  readonly sampling: Sampling
}
