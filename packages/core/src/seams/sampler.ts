import type { Policy, Generation, ModelSource, Sampling, StepOptions } from './policy'
import type { CandidateRecord, GroupRecord, Question } from './records'

/** Where candidates come from: a model that samples them, or texts that are there already. `kind` says which. */
export type CandidateSource = Sampler | GivenSampler

/** Samples candidates: from the policy itself, or from a remote model. */
export interface Sampler {
  readonly name: string
  readonly kind?: 'sampled'
  /**
   * Yields candidates as they finish, in any order; each (question id, candidate) exactly once.
   * The same request gives the same candidates, whatever else is asked for in the same call.
   */
  sample(requests: readonly SampleRequest[], context: SamplerContext): AsyncIterable<Generation>
  /** Lets go of what it holds between calls of `sample`, a server for instance. Called once the stage has sampled, or has failed. */
  close?(): Promise<void>
}

/** Takes candidates that are texts already, as many as there are, with what labels they have: of the data file, or of another one. */
export interface GivenSampler {
  readonly name: string
  readonly kind: 'given'
  /** The candidates of a question of `data.questions` or `data.test`, always in the same order. No policy is asked. */
  candidates(question: GroupRecord): readonly CandidateRecord[] | Promise<readonly CandidateRecord[]>
}

/** Whether candidates are given texts, and nothing is sampled. */
export function isGiven(source: CandidateSource): source is GivenSampler {
  return source.kind === 'given'
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
  /** What the policy was opened from; absent where that is not known. */
  readonly model?: ModelSource
  /** Temperature, truncation, stop strings, length and the seed, as the config's `sample` section says. */
  readonly sampling: Sampling
}
