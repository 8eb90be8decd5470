import type * as tf from '@tensorflow/tfjs-core'
import type { GroupPairs } from './pairs'
import type { GroupRecord } from './records'

/** How a loss keeps the worse candidates from being pushed out of the model's distribution (AFT, section 3). */
export type Constraint = 'none' | 'detached' | 'boundary'

/** What a loss needs and promises. The trainer and the conformance suite branch on this and on nothing else. */
export interface LossManifest {
  /** How the loss is called in messages. The name it is registered and chosen by is the registry's, and wins where they differ. */
  readonly name: string
  /** `binary`: reads `positive`; `ranked`: reads `rewards`; `either`: through `pairs`, whichever the data has. */
  readonly feedback: 'binary' | 'ranked' | 'either'
  /**
   * `candidates` (when absent): an alignment loss, over a question's candidates. `references`: a likelihood of the reference chains, as
   * L_VFT is; it is given the chains that `sftFrom` says, and is no reason to sample candidates.
   */
  readonly trains?: 'references' | 'candidates'
  /** Whether `referenceLogProbs` (of the frozen stage-1 policy) must be there. */
  readonly needsReference: boolean
  /**
   * Whether `divergence` must be there; goes with `needsReference`. It costs a pass over one completion a question in every step. No when
   * absent.
   */
  readonly needsDivergence?: boolean
  /** What the batch loss is a mean over: questions, or sequences (see `AlignmentLoss.units`). */
  readonly unit: 'question' | 'sequence'
  /** The constraint in force for this instance. */
  readonly constraint: Constraint
  /** β of the boundary, read where that is the constraint in force: nats per token (per token of the worse candidate where the loss is of summed log-probs). */
  readonly beta?: number
  /** The constraints this loss offers. */
  readonly constraints: readonly Constraint[]
  /** e.g. `arXiv:2309.02144`. */
  readonly paper: string
}

/**
 * One question's k candidates as a loss sees them: log-probabilities, never a model.
 *
 * Tensors live on tfjs-core's CPU backend and belong to core (do not dispose them). Plain arrays hold what needs no gradient:
 * build masks and indices from them, outside the gradient.
 */
export interface ScoredGroup {
  readonly k: number
  /** s_c = logProb_c / n_c (AFT, Eq. 2), nats per token. Shape [k]. */
  readonly scores: tf.Tensor1D
  /** Σ_t log p(c_t | q, c_<t) over the completion's tokens, nats. Shape [k]. */
  readonly logProbs: tf.Tensor1D
  /** The same under the frozen reference policy; present when the manifest asks for it. Shape [k]. */
  readonly referenceLogProbs?: tf.Tensor1D
  /**
   * logProbs − referenceLogProbs, taken in double precision before it becomes a tensor; present with `referenceLogProbs`. Its gradient
   * counts as one of `logProbs`. Shape [k], nats.
   */
  readonly logRatios?: tf.Tensor1D
  /**
   * How far the policy has moved from the reference, over the questions of the step: max(0, mean of log π(y′|q) − log π_ref(y′|q)) with y′ an
   * answer to another question, nats, the estimate of KL(π ‖ π_ref) that KTO is defined with (arXiv:2402.01306, section 4.1). A number: no
   * gradient reaches it. Present when the manifest asks for it, the same for all groups of a step.
   */
  readonly divergence?: number
  /** n_c, completion tokens with EOS, never padded. */
  readonly lengths: readonly number[]
  /** Right or wrong. All false for ranked data without labels. */
  readonly positive: readonly boolean[]
  /** Larger is better; for binary feedback 1 and 0. */
  readonly rewards: readonly number[]
  /** Which candidates are the reference chain of thought. */
  readonly reference: readonly boolean[]
  /** All (i, j) with candidate i better than j, by `rewards` or by `positive` as the manifest's feedback says. */
  readonly pairs: GroupPairs
}

/** The labels of a group without its scores: what `needed` and `units` may look at. */
export type GroupLabels = Pick<ScoredGroup, 'k' | 'lengths' | 'positive' | 'rewards' | 'reference'>

/**
 * An alignment loss: log-probabilities in, one scalar out, made of tfjs ops. Core differentiates it, averages it over the
 * step's units, and hands the backend the cotangents.
 *
 * The contract, which `@plumbline/conformance` checks:
 * - `loss` returns a finite scalar for scores of any size, and exactly 0 (with zero gradient) where there is nothing to
 *   compare: no pair, no positive, one candidate.
 * - It is deterministic, does not depend on the order of the candidates, does not change its input and leaks no tensor
 *   (core calls it inside `tf.tidy`).
 * - It is the loss of one unit's group: no averaging over questions inside. With `unit: 'sequence'` it is the *sum* over the
 *   group's sequences and `units` says how many there are.
 *
 * tfjs has no gradient for comparison ops (`greater`, `equal`, …) and no stop-gradient; use `detach` and masks made from
 * plain arrays.
 */
export interface AlignmentLoss {
  readonly manifest: LossManifest
  loss(group: ScoredGroup): tf.Scalar
  /** How many sequences the group counts for; only read when `manifest.unit` is `sequence`. */
  units?(labels: GroupLabels): number
  /** Candidates whose log-probs the loss reads; all when absent. The others are never computed. */
  needed?(labels: GroupLabels): readonly boolean[]
  /**
   * Which candidates of a labelled question this loss is given, decided once before training, from the texts; all when absent.
   * The others are as if they had not been sampled, for this loss only.
   */
  select?(question: GroupRecord): Selection
  /**
   * Figures to log for one group, from plain numbers (e.g. reward margin), each averaged over those of the step's groups that report it:
   * a group without anything to measure leaves the figure out. Which figures there are must follow from the labels, not from the scores.
   */
  metrics?(group: GroupScores): Readonly<Record<string, number>>
}

/** The outcome of `select` for one question. */
export interface Selection {
  /** One per candidate. */
  readonly keep: readonly boolean[]
  /** Figures to show, summed over the questions, e.g. how many were right, duplicate, kept. */
  readonly counts: Readonly<Record<string, number>>
}

/** A group's numbers outside the gradient, for metrics. */
export interface GroupScores extends GroupLabels {
  readonly scores: readonly number[]
  readonly logProbs: readonly number[]
  readonly referenceLogProbs?: readonly number[]
  readonly divergence?: number
}
