import type { Made } from '../config/resolve'
import { writeJsonLines } from '../data/write'
import { promptIdentity, readingIdentity } from '../prompt/identity'
import type { Label, Labeler } from '../seams/labeler'
import { isGiven } from '../seams/sampler'
import { randomStreams } from '../util/random'
import { checkedLabels } from './checked-labels'
import { collect } from './collect'
import type { Finished, Model, StageContext } from './context'
import { askedOf, ofSet, type TestSet } from './data'
import { encodeGiven, GivenCounts, leftOut } from './given'
import { isCutOff, labelledWrong } from './cut-off'
import { EncodedPrompts } from './prompts'
import { AnswerReader, askedAs } from './reading'
import { isRanked, isRight, type AskedQuestion, type SampledQuestion, type TestCandidate, type TestQuestion } from './records'
import { distinct, samplingOf } from './sample'
import { mapped } from './slices'
import { valueAt } from '../util/sequence'

/**
 * The candidates on which every model's assessment accuracy and perplexities are measured: `sample.k` completions per test question,
 * sampled once from the stage-1 model with the settings of `sample`, duplicates removed, and labelled. Where
 * candidates come from the data files, they are the test file's own.
 */
export async function testCandidates(context: StageContext, test: TestSet, model: Model): Promise<Finished> {
  if (isGiven(context.resolved.sampler.made)) return givenTestCandidates(context, test, model)
  const { config, signal } = context
  const labeler = testLabeler(context, test)
  const { k } = config.sample
  // a stream of its own: test and training questions may carry the same ids
  const stream = randomStreams(config.seed)
  const uniform = test.name === undefined ? stream('test candidates') : stream('test candidates', test.name)
  const seed = Math.floor(uniform() * 2 ** 31)
  const sampling = samplingOf(config.sample, seed)
  const determinedBy = {
    model: model.hash,
    sample: { k, ...sampling },
    label: labeler.identity,
    cutOff: config.sample.cutOff,
    ...promptIdentity(config, 'prompts'),
    ...readingIdentity(config.prompt),
    test: test.hash,
  }
  return context.run({ stage: 'evaluate', variant: ofSet('candidates', test), determinedBy, code: [labeler.code], backend: true }, (desk) =>
    context.withPolicy(model, async (policy) => {
      const encoder = context.encoder(policy)
      const questions = await EncodedPrompts.of(test.records, encoder, desk, signal, test.title)
      const ending = encoder.ending(test.records, config.sample.stop)
      const completions = collect({
        name: 'completions.jsonl',
        desk,
        questions,
        k,
        source: 'The model',
        produce: (missing) => policy.generate(missing.map(EncodedPrompts.asked), { ...sampling, ...ending }, { signal }),
      })
      const counts = { all: 0, right: 0, cutOff: 0, ranked: false }
      const lines = mapped(completions, async ({ question: { id, record, prompt }, completions: own }): Promise<TestQuestion> => {
        const { messages, answer } = record
        const { cutOff } = config.sample
        const all = distinct(own.map((completion) => encoder.sampled(record, completion)))
        const candidates = cutOff === 'drop' ? all.filter((candidate) => !isCutOff(candidate)) : all
        counts.cutOff += all.filter(isCutOff).length
        const reader = new AnswerReader(config.prompt, record, askedAs(encoder, record))
        const texts = candidates.map((candidate) => reader.sampled(candidate))
        const said = await checkedLabels(labeler.made, { id, prompt: record.prompt, messages, answer }, texts)
        const labels =
          cutOff === 'wrong' ? said.map((label, c) => (isCutOff(valueAt(candidates, c)) ? labelledWrong(label, said) : label)) : said
        const labelled = candidates.map(({ text, tokens }, c) => testCandidate(text, tokens, valueAt(labels, c)))
        counts.all += labelled.length
        counts.right += labelled.filter(({ positive }) => positive).length
        counts.ranked ||= isRanked(labelled)
        return { id, promptTokens: prompt, candidates: labelled }
      })
      await writeJsonLines(desk.folder.file('candidates.jsonl'), lines)
      await writeJsonLines(desk.folder.file('questions.jsonl'), askedQuestions(test))
      return {
        artifacts: ['candidates.jsonl', 'questions.jsonl'],
        summary: `${counts.all} test candidates, ${counts.ranked ? 'ranked' : `${counts.right} right`}`,
        figures: {
          candidates: counts.all,
          ...(counts.cutOff > 0 ? { cutOff: counts.cutOff } : {}),
          ...(counts.ranked ? {} : { right: counts.right }),
        },
      }
    }),
  )
}

/** The test questions as people read them: the other artifacts name them by id and tokens. No stage is determined by this file. */
function* askedQuestions({ records }: TestSet): Generator<AskedQuestion> {
  for (const { id, prompt, answer } of records) yield { id, prompt, ...(answer === undefined ? {} : { answer }) }
}

/**
 * Who labels sampled test candidates: the judge of answers, or, where that one cannot be asked about every question, the run's labeler,
 * which then ranks.
 */
function testLabeler({ resolved }: StageContext, { records }: TestSet): Made<Labeler> {
  return askedOf(resolved, records).length === records.length ? resolved.judge : resolved.labeler
}

function testCandidate(text: string, tokens: readonly number[], label: Label): TestCandidate {
  const { status, reward } = label
  return { text, tokens, positive: isRight(label), ...(status === 'ranked' ? { reward } : {}) }
}

async function givenTestCandidates(context: StageContext, test: TestSet, model: Model): Promise<Finished> {
  const { config } = context
  const { sampler, labeler } = context.resolved
  const sample = { sampler: sampler.name }
  const determinedBy = {
    model: model.hash,
    sample,
    label: labeler.identity,
    ...promptIdentity(config, 'chains'),
    ...readingIdentity(config.prompt),
    test: test.hash,
  }
  return context.run(
    { stage: 'evaluate', variant: ofSet('candidates', test), determinedBy, code: [labeler.code], backend: false },
    (desk) =>
      context.withFacts(model, async (facts) => {
        const counts = new GivenCounts()
        const given = encodeGiven(context, desk, context.encoder(facts), test, counts)
        let q = -1
        const label = async ({ id, promptTokens, candidates, asked }: SampledQuestion): Promise<TestQuestion> => {
          // of the records that were skipped there are no lines
          do q++
          while (valueAt(test.records, q).id !== id)
          const record = valueAt(test.records, q)
          const reader = new AnswerReader(config.prompt, record, asked)
          const texts = candidates.map(({ text, finish, given: labels }) => ({
            ...reader.written(text, finish !== 'length'),
            given: labels,
          }))
          const labels = await checkedLabels(labeler.made, record, texts)
          return { id, promptTokens, candidates: candidates.map(({ text, tokens }, c) => testCandidate(text, tokens, valueAt(labels, c))) }
        }
        await writeJsonLines(desk.folder.file('candidates.jsonl'), mapped(given, label))
        await writeJsonLines(desk.folder.file('questions.jsonl'), askedQuestions(test))
        if (counts.candidates === 0 && askedOf(context.resolved, test.records).length === 0) {
          desk.notice('warning', `${test.title} has neither candidates nor answers: nothing is measured on it.`)
        }
        return {
          artifacts: ['candidates.jsonl', 'questions.jsonl'],
          summary: `${counts.candidates} test candidates from the data file${leftOut(counts)}`,
          figures: { candidates: counts.candidates },
        }
      }),
  )
}
