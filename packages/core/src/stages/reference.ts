import { readLines } from '../run/files'
import { Journal } from '../run/journal'
import { writeJsonLines } from '../data/write'
import { finiteSum } from '../objective/score'
import type { Model, StageContext } from './context'
import type { LabelledQuestion } from './records'

interface ReferenceLine {
  readonly id: string
  /** Σ_t log p(c_t | q, c_<t) under the reference policy, per candidate, nats. */
  readonly logProbs: readonly number[]
}

/** Questions that are scored together: they share micro-batches, so a part of a chunk that a killed process wrote is scored again. */
const CHUNK = 16

/**
 * Summed log-probabilities of every labelled candidate under the frozen stage-1 policy, computed once per labelled file and model
 * and kept in the run folder: so the reference model is not in memory while another is trained.
 *
 * @returns [question][candidate], in the order of `labelled`
 */
export async function referenceLogProbs(
  context: StageContext,
  labelled: readonly LabelledQuestion[],
  labels: string,
  model: Model,
): Promise<readonly (readonly number[])[]> {
  const spec = { stage: 'align', variant: 'reference', determinedBy: { labels, model: model.hash }, backend: true } as const
  const { folder } = await context.run(spec, (desk) =>
    context.withPolicy(model.source, async (policy) => {
      const journal = await Journal.open<ReferenceLine>(desk.folder.work('logprobs.jsonl'), {
        multipleOf: CHUNK,
        say: (message) => desk.say(message),
      })
      const lines = [...journal.records]
      desk.start(labelled.length, lines.length)
      try {
        while (lines.length < labelled.length) {
          context.signal?.throwIfAborted()
          const chunk = labelled.slice(lines.length, lines.length + CHUNK)
          const scored = await policy.logProbs(
            chunk.map(({ id, promptTokens, candidates }) => ({
              id,
              prompt: promptTokens,
              completions: candidates.map(({ tokens }) => tokens),
            })),
          )
          for (const [q, { id }] of chunk.entries()) {
            const line = { id, logProbs: scored[q].map((tokens) => finiteSum(tokens, id)) }
            lines.push(line)
            await journal.append(line)
          }
          desk.progress({ done: lines.length, total: labelled.length, unit: 'questions' })
        }
      } finally {
        await journal.close()
      }
      await writeJsonLines(desk.folder.file('logprobs.jsonl'), lines)
      return { artifacts: ['logprobs.jsonl'], summary: `reference log-probabilities of ${labelled.length} questions` }
    }),
  )
  const lines = await readLines<ReferenceLine>(folder.file('logprobs.jsonl'))
  return lines.map(({ logProbs }) => logProbs)
}
