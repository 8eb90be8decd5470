import type { Made } from '../config/resolve'
import { assessmentAccuracy, perplexity } from '../diagnostics/assessment'
import type { GroupRecord } from '../seams/records'
import { writeJsonLines } from '../data/write'
import { finiteSum } from '../objective/score'
import { randomStreams } from '../util/random'
import { readLines } from '../run/files'
import { Journal } from '../run/journal'
import type { Label, Labeler } from '../seams/labeler'
import type { Policy } from '../seams/policy'
import { isGiven } from '../seams/sampler'
import { checkedLabels } from './checked-labels'
import { collect } from './collect'
import type { Finished, Model, StageContext, StageDesk } from './context'
import { askedOf, type RunData } from './data'
import { encodeGiven } from './given'
import { distinct, samplingOf } from './sample'

/** A line of `candidates.jsonl`: what every model's assessment is measured on. */
interface TestQuestion {
  readonly id: string
  readonly promptTokens: readonly number[]
  readonly candidates: readonly TestCandidate[]
}

interface TestCandidate {
  readonly text: string
  readonly tokens: readonly number[]
  readonly positive: boolean
  /** Where the candidates are ranked, and not right or wrong. */
  readonly reward?: number
}

/** A line of `answers.jsonl`: the greedy answer to one test question. */
export interface Answer {
  readonly id: string
  readonly text: string
  readonly status: Label['status']
  readonly right: boolean
  readonly given?: string
}

/** A line of `scores.jsonl`: s_c of the test candidates under the model. */
interface ScoredQuestion {
  readonly id: string
  readonly scores: readonly number[]
}

/** How one model did on the test questions. */
export interface Evaluation {
  readonly name: string
  /** The key of its stage. */
  readonly key?: string
  readonly answers: readonly Answer[]
  readonly assessmentAccuracy?: number
  readonly positivePerplexity?: number
  readonly negativePerplexity?: number
}

/** Whether any labels say right and wrong; of ranked candidates there are no positives and negatives. */
const isRanked = (candidates: readonly TestCandidate[]): boolean => candidates.some(({ reward }) => reward !== undefined)

/**
 * The candidates on which every model's assessment accuracy and perplexities are measured: `sample.k` completions per test question,
 * sampled once from the stage-1 model with the settings of `sample`, duplicates removed, and labelled. Where
 * candidates come from the data files, they are the test file's own.
 */
export async function testCandidates(context: StageContext, data: RunData, model: Model): Promise<Finished> {
  if (isGiven(context.resolved.sampler.made)) return givenTestCandidates(context, data, model)
  const { config, signal } = context
  const labeler = testLabeler(context, data)
  const { k } = config.sample
  // a stream of its own: test and training questions may carry the same ids
  const seed = Math.floor(randomStreams(config.seed)('test candidates')() * 2 ** 31)
  const sampling = samplingOf(config.sample, seed)
  const determinedBy = {
    model: model.hash,
    sample: { k, ...sampling },
    label: labeler.identity,
    prompt: config.prompt,
    test: data.test.hash,
  }
  return context.run({ stage: 'evaluate', variant: 'candidates', determinedBy, code: [labeler.code], backend: true }, (desk) =>
    context.withPolicy(model.source, async (policy) => {
      const prompts = encodePrompts(context, data.test.records, policy)
      const encoder = context.encoder(policy)
      const ending = encoder.ending(data.test.records, config.sample.stop)
      const completions = await collect({
        name: 'completions.jsonl',
        desk,
        ids: [...prompts.keys()],
        k,
        source: 'The model',
        produce: (missing) =>
          policy.generate(
            [...missing].map(([id, candidates]) => ({ id, prompt: prompts.get(id)!, candidates })),
            { ...sampling, ...ending },
            { signal },
          ),
      })
      const lines: TestQuestion[] = []
      for (const record of data.test.records) {
        const { id, prompt, messages, answer } = record
        const candidates = distinct(completions.get(id)!.map((completion) => encoder.sampled(record, completion)))
        const texts = candidates.map(({ text, finish }) => ({ text, complete: finish !== 'length' }))
        const labels = await checkedLabels(labeler.made, { id, prompt, messages, answer }, texts)
        const labelled = candidates.map(({ text, tokens }, c) => testCandidate(text, tokens, labels[c]))
        lines.push({ id, promptTokens: prompts.get(id)!, candidates: labelled })
      }
      await writeJsonLines(desk.folder.file('candidates.jsonl'), lines)
      const all = lines.flatMap(({ candidates }) => candidates)
      const right = all.filter(({ positive }) => positive).length
      const ranked = isRanked(all)
      return {
        artifacts: ['candidates.jsonl'],
        summary: `${all.length} test candidates, ${ranked ? 'ranked' : `${right} right`}`,
        figures: { candidates: all.length, ...(ranked ? {} : { right }) },
      }
    }),
  )
}

/**
 * Who labels sampled test candidates: the judge of answers, or, where that one cannot be asked about every question, the run's labeler,
 * which then ranks.
 */
function testLabeler({ resolved }: StageContext, { test }: RunData): Made<Labeler> {
  return askedOf(resolved, test.records).length === test.records.length ? resolved.judge : resolved.labeler
}

function testCandidate(text: string, tokens: readonly number[], label: Label): TestCandidate {
  const { status, reward } = label
  return { text, tokens, positive: isRight(label), ...(status === 'ranked' ? { reward } : {}) }
}

async function givenTestCandidates(context: StageContext, data: RunData, model: Model): Promise<Finished> {
  const { config } = context
  const { sampler, labeler } = context.resolved
  const sample = { sampler: sampler.name }
  const determinedBy = { model: model.hash, sample, label: labeler.identity, prompt: config.prompt, test: data.test.hash }
  return context.run({ stage: 'evaluate', variant: 'candidates', determinedBy, code: [labeler.code], backend: false }, (desk) =>
    context.withFacts(model.source, async (facts) => {
      const { lines: given, counts } = await encodeGiven(context, desk, context.encoder(facts), data.test)
      const lines: TestQuestion[] = []
      for (const [q, { id, promptTokens, candidates }] of given.entries()) {
        const texts = candidates.map(({ text, given: labels }) => ({ text, complete: true, given: labels }))
        const labels = await checkedLabels(labeler.made, data.test.records[q], texts)
        const labelled = candidates.map(({ text, tokens }, c) => testCandidate(text, tokens, labels[c]))
        lines.push({ id, promptTokens, candidates: labelled })
      }
      await writeJsonLines(desk.folder.file('candidates.jsonl'), lines)
      if (counts.candidates === 0 && askedOf(context.resolved, data.test.records).length === 0) {
        desk.notice('warning', 'data.test has neither candidates nor answers: nothing is measured on it.')
      }
      return {
        artifacts: ['candidates.jsonl'],
        summary: `${counts.candidates} test candidates from the data file`,
        figures: { candidates: counts.candidates },
      }
    }),
  )
}

/** Stage 5 for one model: greedy answers to the test questions, and the scores it gives to the test candidates. */
export async function evaluateStage(
  context: StageContext,
  data: RunData,
  name: string,
  model: Model,
  candidates: Finished,
): Promise<Evaluation> {
  const { config, resolved } = context
  const { maxNewTokens, stop } = config.evaluate
  const { judge } = resolved
  const determinedBy = {
    model: model.hash,
    evaluate: { maxNewTokens, stop, label: judge.identity, asked: judge.asked },
    prompt: config.prompt,
    test: data.test.hash,
    candidates: candidates.manifest.artifacts['candidates.jsonl'],
  }
  const spec = { stage: 'evaluate', variant: name, determinedBy, code: [judge.code], backend: true, seed: config.seed } as const
  const { folder, manifest } = await context.run(spec, (desk) =>
    context.withPolicy(model.source, async (policy) => {
      // the labels of a data file judge no new answer, so without an expected one there is nothing to ask
      const asked = askedOf(resolved, data.test.records)
      const answers = await greedyAnswers(context, desk, asked, policy)
      const questions = await readLines<TestQuestion>(candidates.folder.file('candidates.jsonl'))
      const scores = await scoreCandidates(context, desk, policy, questions, asked.length === 0)
      await writeJsonLines(desk.folder.file('answers.jsonl'), answers)
      await writeJsonLines(desk.folder.file('scores.jsonl'), scores)
      const right = answers.filter((answer) => answer.right).length
      const unparsed = answers.filter(({ status }) => status === 'unparsed').length
      return {
        artifacts: ['answers.jsonl', 'scores.jsonl'],
        summary:
          answers.length === 0
            ? `scores of the candidates of ${questions.length} test questions`
            : `${right} of ${answers.length} right${unparsed > 0 ? `, ${unparsed} without an answer` : ''}`,
        figures: { questions: answers.length, right, unparsed },
      }
    }),
  )
  const answers = await readLines<Answer>(folder.file('answers.jsonl'))
  const scored = await readLines<ScoredQuestion>(folder.file('scores.jsonl'))
  const questions = await readLines<TestQuestion>(candidates.folder.file('candidates.jsonl'))
  return { name, key: manifest.key, answers, ...assess(questions, scored) }
}

async function greedyAnswers(context: StageContext, desk: StageDesk, records: readonly GroupRecord[], policy: Policy): Promise<Answer[]> {
  if (records.length === 0) return []
  const { config, signal } = context
  const { maxNewTokens, stop } = config.evaluate
  const prompts = encodePrompts(context, records, policy)
  const ending = context.encoder(policy).ending(records, stop)
  const completions = await collect({
    name: 'answers.jsonl',
    desk,
    ids: [...prompts.keys()],
    k: 1,
    source: 'The model',
    produce: (missing) =>
      policy.generate(
        [...missing].map(([id, candidates]) => ({ id, prompt: prompts.get(id)!, candidates })),
        { seed: config.seed, temperature: 0, maxNewTokens, ...ending },
        { signal },
      ),
  })
  const answers: Answer[] = []
  for (const { id, prompt, answer } of records) {
    const [{ text, finish }] = completions.get(id)!
    const [label] = await checkedLabels(context.resolved.judge.made, { id, prompt, answer }, [{ text, complete: finish !== 'length' }])
    answers.push({ id, text, status: label.status, right: isRight(label), ...(label.answer === undefined ? {} : { given: label.answer }) })
  }
  return answers
}

/** Questions that are scored together: they share micro-batches, so a part of a chunk that a killed process wrote is scored again. */
const CHUNK = 32

async function scoreCandidates(
  { signal }: StageContext,
  desk: StageDesk,
  policy: Policy,
  questions: readonly TestQuestion[],
  /** Whether this is all the stage does, so that its progress is the stage's. */
  alone: boolean,
): Promise<ScoredQuestion[]> {
  const journal = await Journal.open<ScoredQuestion>(desk.folder.work('scores.jsonl'), {
    multipleOf: CHUNK,
    say: (message) => desk.say(message),
  })
  const lines = [...journal.records]
  const total = questions.length
  if (alone) desk.start(total, lines.length)
  try {
    while (lines.length < total) {
      signal?.throwIfAborted()
      const chunk = questions.slice(lines.length, lines.length + CHUNK)
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
        const line = { id, scores: candidates.map(({ tokens }, c) => finiteSum(byId.get(id)?.[c], id) / tokens.length) }
        lines.push(line)
        await journal.append(line)
      }
      if (alone) desk.progress({ done: lines.length, total, unit: 'questions' })
    }
  } finally {
    await journal.close()
  }
  return lines
}

function assess(questions: readonly TestQuestion[], scored: readonly ScoredQuestion[]): Omit<Evaluation, 'name' | 'key' | 'answers'> {
  const assessed = questions.map(({ candidates }, q) => ({
    scores: scored[q].scores,
    positive: candidates.map(({ positive }) => positive),
    ...(isRanked(candidates) ? { rewards: candidates.map(({ reward = 0 }) => reward) } : {}),
  }))
  const labelled = assessed.filter(({ rewards }) => rewards === undefined)
  const of = (kind: boolean) => labelled.flatMap(({ scores, positive }) => scores.filter((_, c) => positive[c] === kind))
  return {
    assessmentAccuracy: assessmentAccuracy(assessed),
    positivePerplexity: perplexity(of(true)),
    negativePerplexity: perplexity(of(false)),
  }
}

function encodePrompts(context: StageContext, records: readonly GroupRecord[], policy: Policy): Map<string, readonly number[]> {
  const encoder = context.encoder(policy)
  return new Map(records.map((record) => [record.id, encoder.question(record)]))
}

const isRight = ({ positive, status }: Label): boolean => positive ?? status === 'right'
