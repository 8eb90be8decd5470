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
  const candidatesFile = candidates.folder.file('candidates.jsonl')
  const spec = specOf(context, test, name, model, { candidates: candidates.manifest.artifacts['candidates.jsonl'] })
  const { folder, manifest } = await context.run(spec, (desk) =>
    context.withPolicy(model, async (policy) => {
      const { asked, figures, outcome } = await answerQuestions(context, desk, test, policy)
      const questions = await IndexedLines.open<TestQuestion>(candidatesFile)
      const { length } = questions
      try {
        await scoreCandidates(context, desk, policy, questions, asked === 0)
      } finally {
        await questions.close()
      }
      return {
        artifacts: ['answers.jsonl', 'scores.jsonl'],
        summary: figures.questions === 0 ? `scores of the candidates of ${length} test questions` : outcome,
        figures,
      }
    }),
  )
  const answers = await PackedMarks.of(streamLines<Answer>(folder.file('answers.jsonl')))
  const sums = await assess(candidatesFile, folder.file('scores.jsonl'))
  return { name: test.name ?? name, key: manifest.key, answers, sums, ...sums.figures() }
}

/** A model on a test set by its greedy answers alone, which are in `file`: without candidates there is nothing to score. */
export async function answersOnly(
  context: StageContext,
  test: TestSet,
  name: string,
  model: Model,
): Promise<Evaluation & { readonly file: string }> {
  const { folder, manifest } = await context.run(specOf(context, test, name, model), (desk) =>
    context.withPolicy(model, async (policy) => {
      const { figures, outcome } = await answerQuestions(context, desk, test, policy)
      return { artifacts: [ANSWERS], summary: outcome, figures }
    }),
  )
  const file = folder.file(ANSWERS)
  return { name: test.name ?? name, key: manifest.key, answers: await PackedMarks.of(streamLines<Answer>(file)), file }
}

const ANSWERS = 'answers.jsonl'

function specOf({ config, resolved: { judge } }: StageContext, test: TestSet, name: string, model: Model, more: object = {}) {
  const { maxNewTokens, stop } = config.evaluate
  const determinedBy = {
    model: model.hash,
    evaluate: { maxNewTokens, stop, label: judge.identity, asked: judge.asked },
    ...promptIdentity(config, 'prompts'),
    ...readingIdentity(config.prompt),
    test: test.hash,
    ...more,
  }
  const [stage, variant] = ['evaluate' as const, ofSet(name, test)]
  return { stage, variant, determinedBy, code: [judge.code], backend: true, seed: config.seed }
}

/** Leaves `answers.jsonl`. */
async function answerQuestions(context: StageContext, desk: StageDesk, test: TestSet, policy: Policy) {
  // the labels of a data file judge no new answer, so without an expected one there is nothing to ask
  const asked = askedOf(context.resolved, test.records)
  const figures = { questions: 0, right: 0, unparsed: 0 }
  const count = (answer: Answer): Answer => {
    figures.questions++
    if (answer.right) figures.right++
    if (answer.status === 'unparsed') figures.unparsed++
    return answer
  }
  await writeJsonLines(desk.folder.file(ANSWERS), mapped(greedyAnswers(context, desk, asked, policy, test.title), count))
  const { questions, right, unparsed } = figures
  const outcome = `${right} of ${questions} right${unparsed > 0 ? `, ${unparsed} without an answer` : ''}`
  return { asked: asked.length, figures, outcome }
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
