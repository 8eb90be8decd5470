import type { Made } from '../config/resolve'
import { writeJsonLines } from '../data/write'
import type { Label, Labeler } from '../seams/labeler'
import { isGiven } from '../seams/sampler'
import { randomStreams } from '../util/random'
import { checkedLabels } from './checked-labels'
import { collect } from './collect'
import type { Finished, Model, StageContext } from './context'
import { askedOf, type RunData } from './data'
import { encodeGiven, GivenCounts } from './given'
import { EncodedPrompts } from './prompts'
import { isRanked, isRight, type SampledQuestion, type TestCandidate, type TestQuestion } from './records'
import { distinct, samplingOf } from './sample'
import { mapped } from './slices'
import { valueAt } from '../util/sequence'

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
    context.withPolicy(model, async (policy) => {
      const encoder = context.encoder(policy)
      const questions = await EncodedPrompts.of(data.test.records, encoder, desk, signal)
      const ending = encoder.ending(data.test.records, config.sample.stop)
      const completions = collect({
        name: 'completions.jsonl',
        desk,
        questions,
        k,
        source: 'The model',
        produce: (missing) => policy.generate(missing.map(EncodedPrompts.asked), { ...sampling, ...ending }, { signal }),
      })
      const counts = { all: 0, right: 0, ranked: false }
      const lines = mapped(completions, async ({ question: { id, record, prompt }, completions: own }): Promise<TestQuestion> => {
        const { messages, answer } = record
        const candidates = distinct(own.map((completion) => encoder.sampled(record, completion)))
        const texts = candidates.map(({ text, finish }) => ({ text, complete: finish !== 'length' }))
        const labels = await checkedLabels(labeler.made, { id, prompt: record.prompt, messages, answer }, texts)
        const labelled = candidates.map(({ text, tokens }, c) => testCandidate(text, tokens, valueAt(labels, c)))
        counts.all += labelled.length
        counts.right += labelled.filter(({ positive }) => positive).length
        counts.ranked ||= isRanked(labelled)
        return { id, promptTokens: prompt, candidates: labelled }
      })
      await writeJsonLines(desk.folder.file('candidates.jsonl'), lines)
      return {
        artifacts: ['candidates.jsonl'],
        summary: `${counts.all} test candidates, ${counts.ranked ? 'ranked' : `${counts.right} right`}`,
        figures: { candidates: counts.all, ...(counts.ranked ? {} : { right: counts.right }) },
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
    context.withFacts(model, async (facts) => {
      const counts = new GivenCounts()
      const given = encodeGiven(context, desk, context.encoder(facts), data.test, counts)
      let q = 0
      const label = async ({ id, promptTokens, candidates }: SampledQuestion): Promise<TestQuestion> => {
        const texts = candidates.map(({ text, given: labels }) => ({ text, complete: true, given: labels }))
        const labels = await checkedLabels(labeler.made, valueAt(data.test.records, q++), texts)
        return { id, promptTokens, candidates: candidates.map(({ text, tokens }, c) => testCandidate(text, tokens, valueAt(labels, c))) }
      }
      await writeJsonLines(desk.folder.file('candidates.jsonl'), mapped(given, label))
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
