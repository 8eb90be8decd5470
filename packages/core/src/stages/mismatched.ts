import { writeJsonLines } from '../data/write'
import { PlumbError } from '../errors'
import { finiteSum } from '../objective/score'
import { streamLines } from '../run/files'
import { IndexedLines } from '../run/indexed-lines'
import { Journal } from '../run/journal'
import type { Mismatched } from '../train/divergence'
import type { Model, StageContext } from './context'
import type { LabelledQuestion } from './records'
import { REFERENCE_CHUNK } from './reference'

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
export async function mismatchedAnswers(
  context: StageContext,
  labelled: IndexedLines<LabelledQuestion>,
  labels: string,
  model: Model,
): Promise<IndexedLines<MismatchedLine>> {
  const spec = { stage: 'align', variant: 'mismatched', determinedBy: { labels, model: model.hash }, backend: true } as const
  const { folder } = await context.run(spec, (desk) =>
    context.withPolicy(model, async (policy) => {
      const work = desk.folder.work('mismatched.jsonl')
      const journal = await Journal.open<MismatchedLine>(work, {
        multipleOf: REFERENCE_CHUNK,
        onRecord: () => undefined,
        say: (message) => desk.say(message),
      })
      let done = journal.length
      desk.start(labelled.length, done)
      try {
        while (done < labelled.length) {
          context.signal?.throwIfAborted()
          const questions = await labelled.range(done, done + REFERENCE_CHUNK)
          const groups = questions.map(({ id, promptTokens }, q) => {
            const room = policy.info.contextLength - promptTokens.length
            return { id, prompt: promptTokens, completions: [answerToAnother(labelled, done + q).slice(0, room)] }
          })
          const scored = await policy.logProbs(groups)
          for (const [q, { id, completions }] of groups.entries()) {
            await journal.append({ id, completion: completions[0] ?? [], referenceLogProb: finiteSum(scored[q]?.[0], id) })
            done++
          }
          desk.progress({ done, total: labelled.length, unit: 'questions' })
        }
      } finally {
        await journal.close()
      }
      await writeJsonLines(desk.folder.file('mismatched.jsonl'), streamLines<MismatchedLine>(work))
      return { artifacts: ['mismatched.jsonl'], summary: `reference log-probabilities of ${labelled.length} answers to other questions` }
    }),
  )
  return IndexedLines.open<MismatchedLine>(folder.file('mismatched.jsonl'))
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
