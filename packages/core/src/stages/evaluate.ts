import { streamLines } from '../run/files'
import { IndexedLines } from '../run/indexed-lines'
import { writeJsonLines } from '../data/write'
import { Journal } from '../run/journal'
import { finiteSum } from '../objective/score'
import { promptIdentity, readingIdentity } from '../prompt/identity'
import type { Policy } from '../seams/policy'
import type { GroupRecord } from '../seams/records'
import { valueAt, type Sequence } from '../util/sequence'
import { assess, AssessmentSums, joinedMarks, PackedMarks, type AnswerMarks, type Assessment } from './assess'
import { checkedLabels } from './checked-labels'
import { collect } from './collect'
import type { Finished, Model, StageContext, StageDesk } from './context'
import { askedOf, ofSet, type TestSet } from './data'
import { EncodedPrompts } from './prompts'
import { AnswerReader, askedAs } from './reading'
import { isRight, type Answer, type ScoredQuestion, type TestQuestion } from './records'
import { mapped } from './slices'

/** How one model did on the test questions. */
export interface Evaluation extends Assessment {
  readonly name: string
  /** The key of its stage. */
  readonly key?: string
  /** Of a variant in a run of several rounds: after which one. */
  readonly round?: number
  readonly answers: AnswerMarks
  /** On each test set, by its name, where there are several; all the rest is then of all of them together. */
  readonly sets?: readonly Evaluation[]
}

/** A test set with the candidates that models are assessed on. */
export interface PreparedTest {
  readonly test: TestSet
  readonly candidates: Finished
}

/** Stage 5 for one model, on every test set. */
export async function evaluateModel(
  context: StageContext,
  tests: readonly PreparedTest[],
  name: string,
  model: Model,
): Promise<Evaluation> {
  const done: (Evaluation & { readonly sums: AssessmentSums })[] = []
  for (const test of tests) done.push(await evaluateStage(context, test, name, model))
  const [only] = done
  if (only !== undefined && done.length === 1) return only
  const sums = new AssessmentSums()
  for (const one of done) sums.join(one.sums)
  return { name, answers: joinedMarks(done.map(({ answers }) => answers)), ...sums.figures(), sets: done }
}

/** Greedy answers to the questions of a test set, and the scores that the model gives to its candidates. */
async function evaluateStage(
  context: StageContext,
  { test, candidates }: PreparedTest,
  name: string,
  model: Model,
): Promise<Evaluation & { readonly sums: AssessmentSums }> {
  const { config, resolved } = context
  const { maxNewTokens, stop } = config.evaluate
  const { judge } = resolved
  const determinedBy = {
    model: model.hash,
    evaluate: { maxNewTokens, stop, label: judge.identity, asked: judge.asked },
    ...promptIdentity(config, 'prompts'),
    ...readingIdentity(config.prompt),
    test: test.hash,
    candidates: candidates.manifest.artifacts['candidates.jsonl'],
  }
  const candidatesFile = candidates.folder.file('candidates.jsonl')
  const spec = {
    stage: 'evaluate',
    variant: ofSet(name, test),
    determinedBy,
    code: [judge.code],
    backend: true,
    seed: config.seed,
  } as const
  const { folder, manifest } = await context.run(spec, (desk) =>
    context.withPolicy(model, async (policy) => {
      // the labels of a data file judge no new answer, so without an expected one there is nothing to ask
      const asked = askedOf(resolved, test.records)
      const counts = { answers: 0, right: 0, unparsed: 0 }
      const count = (answer: Answer): Answer => {
        counts.answers++
        if (answer.right) counts.right++
        if (answer.status === 'unparsed') counts.unparsed++
        return answer
      }
      await writeJsonLines(desk.folder.file('answers.jsonl'), mapped(greedyAnswers(context, desk, asked, policy, test.title), count))
      const questions = await IndexedLines.open<TestQuestion>(candidatesFile)
      const { length } = questions
      try {
        await scoreCandidates(context, desk, policy, questions, asked.length === 0)
      } finally {
        await questions.close()
      }
      const { answers, right, unparsed } = counts
      return {
        artifacts: ['answers.jsonl', 'scores.jsonl'],
        summary:
          answers === 0
            ? `scores of the candidates of ${length} test questions`
            : `${right} of ${answers} right${unparsed > 0 ? `, ${unparsed} without an answer` : ''}`,
        figures: { questions: answers, right, unparsed },
      }
    }),
  )
  const answers = await PackedMarks.of(streamLines<Answer>(folder.file('answers.jsonl')))
  const sums = await assess(candidatesFile, folder.file('scores.jsonl'))
  return { name: test.name ?? name, key: manifest.key, answers, sums, ...sums.figures() }
}

async function* greedyAnswers(
  context: StageContext,
  desk: StageDesk,
  records: Sequence<GroupRecord>,
  policy: Policy,
  title: string,
): AsyncGenerator<Answer> {
  if (records.length === 0) return
  const { config, signal, resolved } = context
  const { maxNewTokens, stop } = config.evaluate
  const encoder = context.encoder(policy)
  const questions = await EncodedPrompts.of(records, encoder, desk, signal, title)
  const sampling = { seed: config.seed, temperature: 0, maxNewTokens, ...encoder.ending(records, stop) }
  const completions = collect({
    name: 'answers.jsonl',
    desk,
    questions,
    k: 1,
    source: 'The model',
    produce: (missing) => policy.generate(missing.map(EncodedPrompts.asked), sampling, { signal }),
  })
  for await (const { question, completions: own } of completions) {
    const { id, prompt, answer } = question.record
    const { text, finish } = valueAt(own, 0)
    const labels = await checkedLabels(resolved.judge.made, { id, prompt, answer }, [
      new AnswerReader(config.prompt, question.record, askedAs(encoder, question.record)).sampled({ text, finish }),
    ])
    const label = valueAt(labels, 0)
    yield { id, text, status: label.status, right: isRight(label), ...(label.answer === undefined ? {} : { given: label.answer }) }
  }
}

/** Questions that are scored together: they share micro-batches, so a part of a chunk that a killed process wrote is scored again. */
const CHUNK = 32

/** Leaves `scores.jsonl`. */
async function scoreCandidates(
  { signal }: StageContext,
  desk: StageDesk,
  policy: Policy,
  questions: IndexedLines<TestQuestion>,
  /** Whether this is all the stage does, so that its progress is the stage's. */
  alone: boolean,
): Promise<void> {
  const work = desk.folder.work('scores.jsonl')
  const journal = await Journal.open<ScoredQuestion>(work, {
    multipleOf: CHUNK,
    onRecord: () => undefined,
    say: (message) => desk.say(message),
  })
  let done = journal.length
  const total = questions.length
  if (alone) desk.start(total, done)
  try {
    while (done < total) {
      signal?.throwIfAborted()
      const chunk = await questions.range(done, done + CHUNK)
      const sampled = chunk.filter(({ candidates }) => candidates.length > 0)
      const scored = await policy.logProbs(
        sampled.map(({ id, promptTokens, candidates }) => ({
          id,
          prompt: promptTokens,
          completions: candidates.map(({ tokens }) => tokens),
        })),
      )
      const byId = new Map(sampled.map(({ id }, q) => [id, scored[q]]))
      for (const { id, candidates } of chunk) {
        await journal.append({ id, scores: candidates.map(({ tokens }, c) => finiteSum(byId.get(id)?.[c], id) / tokens.length) })
        done++
      }
      if (alone) desk.progress({ done, total, unit: 'questions' })
    }
  } finally {
    await journal.close()
  }
  await writeJsonLines(desk.folder.file('scores.jsonl'), streamLines<ScoredQuestion>(work))
}
