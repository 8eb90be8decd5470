import { PlumbError } from '../errors'
import { finiteSum } from '../objective/score'
import type { IndexedLines } from '../run/indexed-lines'
import type { Mismatched } from '../train/divergence'
import type { Model, StageContext } from './context'
import type { LabelledQuestion } from './records'
import { scoredQuestions } from './scored-questions'

/** A line of `mismatched.jsonl`: an answer to another question, as likely as it is behind this one's prompt under the reference policy. */
export interface MismatchedLine extends Mismatched {
  readonly id: string
}

/**
 * To every labelled question a candidate of the next one that has any, and its log-probability behind the question's own prompt under the
 * frozen stage-1 policy: what the divergence of a policy from it is measured on. Computed once per labelled file and model, and kept in
 * the run folder. A candidate that the model's context has no room for is cut to what there is.
 *
 * @returns a line a question, in the order of `labelled`; to be closed
 * @throws PlumbError PLUMB_REFERENCE_MISSING where no other question has a candidate
 */
export function mismatchedAnswers(
  context: StageContext,
  labelled: IndexedLines<LabelledQuestion>,
  labels: string,
  model: Model,
): Promise<IndexedLines<MismatchedLine>> {
  return scoredQuestions<MismatchedLine>(context, labelled, model, {
    variant: 'mismatched',
    artifact: 'mismatched.jsonl',
    determinedBy: { labels, model: model.hash },
    summary: `reference log-probabilities of ${labelled.length} answers to other questions`,
    group: ({ id, promptTokens }, line, { info }) => {
      const room = info.contextLength - promptTokens.length
      return { id, prompt: promptTokens, completions: [answerToAnother(labelled, line).slice(0, room)] }
    },
    line: ({ id, completions }, logProbs) => ({ id, completion: completions[0] ?? [], referenceLogProb: finiteSum(logProbs[0], id) }),
  })
}

/** A candidate of the next question in the file, the first behind the last, that has any; which of them goes round with the questions. */
function answerToAnother(labelled: IndexedLines<LabelledQuestion>, line: number): readonly number[] {
  for (let step = 1; step < labelled.length; step++) {
    const { candidates } = labelled.getSync((line + step) % labelled.length)
    const chosen = candidates[line % candidates.length]
    if (chosen !== undefined) return chosen.tokens
  }
  throw new PlumbError(
    'PLUMB_REFERENCE_MISSING',
    'The policy’s divergence from its reference is measured on answers to other questions, and no other question has a candidate.',
    labelled.getSync(line).id,
  )
}
