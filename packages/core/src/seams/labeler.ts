import type { CandidateRecord, Question } from './records'

/** Says which candidates are right, or how good they are. */
export interface Labeler {
  readonly name: string
  /** Whether its labels are right/wrong or rewards. */
  readonly feedback: 'binary' | 'ranked'
  /** Whether it knows nothing but the labels that the data gives with its candidates: it then needs a sampler of given candidates. */
  readonly needsGiven?: boolean
  /**
   * One label per candidate text, in order. Deterministic. Several questions may be asked at the same time. Asked before anything is
   * computed, with no candidates, whether the question can be judged at all.
   */
  label(question: Question, candidates: readonly CandidateText[]): Promise<readonly Label[]>
}

export interface CandidateText {
  /** The answer: of a model that thinks, what stands behind its reasoning; empty where that never ends. */
  readonly text: string
  /** What the model thought before, its tags included. Absent where there is no reasoning. */
  readonly reasoning?: string
  /** False where generation was cut off by a length limit, or ended within the reasoning. */
  readonly complete: boolean
  /** The labels that the data file gives, where the candidate stands in one. */
  readonly given?: Pick<CandidateRecord, 'positive' | 'reward' | 'reference'>
}

export interface Label {
  /**
   * `right` / `wrong`: a final answer was found and compared; `unparsed`: none was found, which counts as wrong and is
   * reported apart; `ranked`: only `reward` is meaningful.
   */
  readonly status: 'right' | 'wrong' | 'unparsed' | 'ranked'
  readonly positive?: boolean
  /** Larger is better. */
  readonly reward?: number
  /** The answer as it was read from the text, normalised. */
  readonly answer?: string
}
