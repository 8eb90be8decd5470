import { writeJsonLines } from '../data/write'
import { streamLines } from '../run/files'
import { IndexedLines } from '../run/indexed-lines'
import { Journal } from '../run/journal'
import type { Policy, TokenGroup, TokenLogProbs } from '../seams/policy'
import type { Model, StageContext } from './context'
import type { LabelledQuestion } from './records'

/** Questions that are scored together: they share micro-batches, so a part of a chunk that a killed process wrote is scored again. */
const CHUNK = 16

interface Scoring<Line> {
  /** The stage's variant, e.g. `reference`. */
  readonly variant: string
  readonly artifact: string
  /** The labelled file and the model that the scores are of. */
  readonly determinedBy: { readonly labels: string; readonly model: string }
  readonly summary: string
  /** What is scored of a question. @param line its place in the labelled file. */
  group(question: LabelledQuestion, line: number, policy: Policy): TokenGroup
  line(group: TokenGroup, logProbs: readonly TokenLogProbs[]): Line
}

/**
 * A line for every labelled question, made of log-probabilities under a frozen model: computed once per labelled file and model, and kept
 * in the run folder, so that the model is not in memory while another is trained.
 *
 * @returns a line a question, in the order of `labelled`; to be closed
 */
export async function scoredQuestions<Line extends object>(
  context: StageContext,
  labelled: IndexedLines<LabelledQuestion>,
  model: Model,
  { variant, artifact, determinedBy, summary, group, line }: Scoring<Line>,
): Promise<IndexedLines<Line>> {
  const { folder } = await context.run({ stage: 'align', variant, determinedBy, backend: true }, (desk) =>
    context.withPolicy(model, async (policy) => {
      const work = desk.folder.work(artifact)
      const journal = await Journal.open<Line>(work, { multipleOf: CHUNK, onRecord: () => undefined, say: (message) => desk.say(message) })
      let done = journal.length
      desk.start(labelled.length, done)
      try {
        while (done < labelled.length) {
          context.signal?.throwIfAborted()
          const questions = await labelled.range(done, done + CHUNK)
          const groups = questions.map((question, q) => group(question, done + q, policy))
          const scored = await policy.logProbs(groups)
          for (const [g, each] of groups.entries()) {
            await journal.append(line(each, scored[g] ?? []))
            done++
          }
          desk.progress({ done, total: labelled.length, unit: 'questions' })
        }
      } finally {
        await journal.close()
      }
      await writeJsonLines(desk.folder.file(artifact), streamLines<Line>(work))
      return { artifacts: [artifact], summary }
    }),
  )
  return IndexedLines.open<Line>(folder.file(artifact))
}
