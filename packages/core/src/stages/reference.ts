import { streamLines } from '../run/files'
import { IndexedLines } from '../run/indexed-lines'
import { Journal } from '../run/journal'
import { writeJsonLines } from '../data/write'
import { finiteSum } from '../objective/score'
import type { Model, StageContext } from './context'
import type { LabelledQuestion } from './records'

/** A line of `logprobs.jsonl`. */
export interface ReferenceLine {
  readonly id: string
  /** Σ_t log p(c_t | q, c_<t) under the reference policy, per candidate, nats. */
  readonly logProbs: readonly number[]
}

/** Questions that are scored together: they share micro-batches, so a part of a chunk that a killed process wrote is scored again. */
export const REFERENCE_CHUNK = 16

/**
 * Summed log-probabilities of every labelled candidate under the frozen stage-1 policy, computed once per labelled file and model
 * and kept in the run folder: so the reference model is not in memory while another is trained.
 *
 * @returns a line a question, in the order of `labelled`; to be closed
 */
export async function referenceLogProbs(
  context: StageContext,
  labelled: IndexedLines<LabelledQuestion>,
  labels: string,
  model: Model,
): Promise<IndexedLines<ReferenceLine>> {
  const spec = { stage: 'align', variant: 'reference', determinedBy: { labels, model: model.hash }, backend: true } as const
  const { folder } = await context.run(spec, (desk) =>
    context.withPolicy(model, async (policy) => {
      const work = desk.folder.work('logprobs.jsonl')
      const journal = await Journal.open<ReferenceLine>(work, {
        multipleOf: REFERENCE_CHUNK,
        onRecord: () => undefined,
        say: (message) => desk.say(message),
      })
      let done = journal.length
      desk.start(labelled.length, done)
      try {
        while (done < labelled.length) {
          context.signal?.throwIfAborted()
          const chunk = await labelled.range(done, done + REFERENCE_CHUNK)
          const scored = await policy.logProbs(
            chunk.map(({ id, promptTokens, candidates }) => ({
              id,
              prompt: promptTokens,
              completions: candidates.map(({ tokens }) => tokens),
            })),
          )
          for (const [q, { id }] of chunk.entries()) {
            await journal.append({ id, logProbs: (scored[q] ?? []).map((tokens) => finiteSum(tokens, id)) })
            done++
          }
          desk.progress({ done, total: labelled.length, unit: 'questions' })
        }
      } finally {
        await journal.close()
      }
      await writeJsonLines(desk.folder.file('logprobs.jsonl'), streamLines<ReferenceLine>(work))
      return { artifacts: ['logprobs.jsonl'], summary: `reference log-probabilities of ${labelled.length} questions` }
    }),
  )
  return IndexedLines.open<ReferenceLine>(folder.file('logprobs.jsonl'))
}
