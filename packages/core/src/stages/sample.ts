import type { SamplingConfig } from '../config/schema'
import { writeJsonLines } from '../data/write'
import type { GroupRecord } from '../seams/records'
import type { Generation, Sampling } from '../seams/policy'
import { isGiven } from '../seams/sampler'
import { collect } from './collect'
import type { Finished, Model, StageContext } from './context'
import type { RunData } from './data'
import type { Encoder } from './encoding'
import { givenStage } from './given'
import type { SampledCandidate, SampledQuestion } from './records'
import { noteEncoding } from './sft'
import { eachInSlices, mapped } from './slices'
import { valueAt } from '../util/sequence'

type EncodedQuestion = Pick<SampledQuestion, 'promptTokens' | 'references'>

/**
 * Stage 2: k completions per question of the stage-1 model, or the candidates that the data file gives; duplicates removed, the rest
 * written down with their tokens.
 */
export async function sampleStage(context: StageContext, data: RunData, model: Model): Promise<Finished> {
  const { config, signal, resolved } = context
  const { made: sampler, identity, code } = resolved.sampler
  if (isGiven(sampler)) return givenStage(context, data, model)
  const { k } = config.sample
  const { records, title } = data.questions
  const section = { ...config.sample, sampler: identity }
  const determinedBy = { model: model.hash, sample: section, prompt: config.prompt, questions: data.questions.hash }
  return context.run({ stage: 'sample', determinedBy, code: [code], backend: true, seed: config.seed }, (desk) =>
    context.withPolicy(model, async (policy) => {
      const encoder = context.encoder(policy)
      const sampling = { ...samplingOf(config.sample, config.seed), ...encoder.ending(records, config.sample.stop) }
      const encoded = desk.spools.create<EncodedQuestion>(title)
      const encode = (record: GroupRecord): void =>
        encoded.add({ promptTokens: encoder.question(record), references: encodeOwn(encoder, record) })
      await eachInSlices(records, encode, signal)
      if (data.questions !== data.train || config.sft.steps === 0) noteEncoding(encoder, desk, title)
      const completions = collect({
        name: 'completions.jsonl',
        desk,
        questions: {
          length: records.length,
          at: (index) => {
            const record = valueAt(records, index)
            return { id: record.id, record, ...valueAt(encoded, index) }
          },
        },
        k,
        source: `The sampler "${resolved.sampler.name}"`,
        produce: (missing) => {
          const requests = missing.map(({ question: { id, record, promptTokens }, candidates }) => {
            return { question: { id, prompt: record.prompt, messages: record.messages, answer: record.answer }, promptTokens, candidates }
          })
          return sampler.sample(requests, { policy, sampling, signal })
        },
      })

      const counts = { questions: records.length, sampled: 0, duplicate: 0, truncated: 0, empty: 0 }
      const lines = mapped(completions, ({ question: { id, record, promptTokens, references }, completions: own }): SampledQuestion => {
        const all = own.map((completion) => encoder.sampled(record, completion))
        counts.sampled += all.length
        counts.truncated += all.filter(({ finish }) => finish === 'length').length
        const candidates = distinct(all)
        counts.empty += all.filter(({ tokens }) => tokens.length === 0).length
        counts.duplicate += all.filter(({ tokens }) => tokens.length > 0).length - candidates.length
        return { id, promptTokens, sampled: all.length, candidates, references }
      })
      await writeJsonLines(desk.folder.file('samples.jsonl'), lines)
      if (counts.truncated > 0) {
        desk.notice(
          counts.truncated === counts.sampled ? 'warning' : 'info',
          `${counts.truncated} of ${counts.sampled} completions were cut off at sample.maxNewTokens (${config.sample.maxNewTokens}) or the context.`,
        )
      }
      if (counts.empty > 0) desk.notice('info', `${counts.empty} of ${counts.sampled} completions have no token and were left out.`)
      return {
        artifacts: ['samples.jsonl'],
        summary: `${counts.sampled} completions for ${counts.questions} questions, ${counts.duplicate} of them duplicates`,
        figures: counts,
      }
    }),
  )
}

/** How the `sample` section says to choose tokens. */
export function samplingOf({ temperature, topK, topP, maxNewTokens, stop }: SamplingConfig, seed: number): Sampling {
  return { seed, temperature, topK, topP, maxNewTokens, stop }
}

/** Without empty ones and without repetitions, token by token; the first of its kind stays and counts them. */
export function distinct(generations: readonly Generation[]): SampledCandidate[] {
  const kinds = new Map<string, SampledCandidate>()
  for (const { candidate, text, tokens, finish } of generations) {
    if (tokens.length === 0) continue
    const key = tokens.join(' ')
    const known = kinds.get(key)
    kinds.set(key, known ? { ...known, times: known.times + 1 } : { candidate, times: 1, text, tokens, finish })
  }
  return [...kinds.values()]
}

function encodeOwn(encoder: Encoder, record: GroupRecord): SampledQuestion['references'] {
  return record.candidates.flatMap(({ text, reference, reward }) => {
    const example = reference ? encoder.example(record, text) : undefined
    return example ? [{ text, tokens: example.completion, ...(reward === undefined ? {} : { reward }) }] : []
  })
}
