import { finiteSum } from '../objective/score'
import type { IndexedLines } from '../run/indexed-lines'
import type { Model, StageContext } from './context'
import type { LabelledQuestion } from './records'
import { scoredQuestions } from './scored-questions'

/** A line of `logprobs.jsonl`. */
export interface ReferenceLine {
  readonly id: string
  /** Σ_t log p(c_t | q, c_<t) under the reference policy, per candidate, nats. */
  readonly logProbs: readonly number[]
}

/**
 * Summed log-probabilities of every labelled candidate under the frozen stage-1 policy, computed once per labelled file and model
 * and kept in the run folder: so the reference model is not in memory while another is trained.
 *
 * @returns a line a question, in the order of `labelled`; to be closed
 */
export function referenceLogProbs(
  context: StageContext,
  labelled: IndexedLines<LabelledQuestion>,
  labels: string,
  model: Model,
): Promise<IndexedLines<ReferenceLine>> {
  return scoredQuestions<ReferenceLine>(context, labelled, model, {
    variant: 'reference',
    artifact: 'logprobs.jsonl',
    determinedBy: { labels, model: model.hash },
    summary: `reference log-probabilities of ${labelled.length} questions`,
    group: ({ id, promptTokens, candidates }) => ({ id, prompt: promptTokens, completions: candidates.map(({ tokens }) => tokens) }),
    line: ({ id }, logProbs) => ({ id, logProbs: logProbs.map((tokens) => finiteSum(tokens, id)) }),
  })
}
