import type { SamplingConfig } from '../config/schema'
import { promptIdentity } from '../prompt/identity'
import { writeJsonLines } from '../data/write'
import { PlumbError } from '../errors'
import type { GroupRecord } from '../seams/records'
import type { Generation, Sampling } from '../seams/policy'
import { isGiven } from '../seams/sampler'
import { collect } from './collect'
import type { Finished, Model, StageContext } from './context'
import type { RunData } from './data'
import type { Encoder } from './encoding'
import { promptNotices } from './encoding-notices'
import { givenStage } from './given'
import { askedAs } from './reading'
import type { Round } from './round'
import type { SampledCandidate, SampledQuestion } from './records'
import { noteEncoding } from './sft'
import { eachInSlices, mapped } from './slices'
import { NumberList, valueAt } from '../util/sequence'
import { without } from '../util/without'

type EncodedQuestion = Pick<SampledQuestion, 'promptTokens' | 'references' | 'asked'>

/**
 * Stage 2: k completions per question of the stage-1 model (in a further round, of the variant's), or the candidates that the data file gives; duplicates removed, the rest
 * written down with their tokens.
 */
export async function sampleStage(context: StageContext, data: RunData, model: Model, round?: Round): Promise<Finished> {
  const { config, signal, resolved } = context
  const { made: sampler, identity, code } = resolved.sampler
  if (isGiven(sampler)) return givenStage(context, data, model)
  const { k } = config.sample
  const { records, title } = data.questions
  const { name: variant, seed = config.seed } = round ?? {}
  // what becomes of completions that were cut off is for the label stage
  const section = { ...without(config.sample, 'cutOff'), sampler: identity }
  const determinedBy = { model: model.hash, sample: section, ...promptIdentity(config, 'chains'), questions: data.questions.hash }
  return context.run({ stage: 'sample', variant, determinedBy, code: [code], backend: true, seed }, (desk) =>
    context.withPolicy(model, async (policy) => {
      const encoder = context.encoder(policy)
      const sampling = { ...samplingOf(config.sample, seed), ...encoder.ending(records, config.sample.stop) }
      const encoded = desk.spools.create<EncodedQuestion>(title)
      const kept = new NumberList(Uint32Array)
      let place = 0
      const encode = (record: GroupRecord): void => {
        encoder.noteArguments(record)
        const promptTokens = encoder.question(record)
        if (promptTokens !== undefined) {
          const asked = askedAs(encoder, record)
          encoded.add({ promptTokens, ...(asked === undefined ? {} : { asked }), references: encodeOwn(encoder, record) })
          kept.push(place)
        }
        place++
      }
      await eachInSlices(records, encode, signal)
      if (data.questions !== data.train || config.sft.steps === 0) noteEncoding(encoder, desk, title)
      else for (const { level, message } of promptNotices(encoder, title)) desk.notice(level, message)
      if (kept.length === 0) {
        throw new PlumbError('PLUMB_DATA_EMPTY', `No question of ${title} has a prompt of at most ${encoder.prompts.limit} tokens.`)
      }
      const completions = collect({
        name: 'completions.jsonl',
        desk,
        questions: {
          length: kept.length,
          at: (index) => {
            const record = valueAt(records, valueAt(kept, index))
            return { id: record.id, record, ...valueAt(encoded, index) }
          },
        },
        k,
        source: `The sampler "${resolved.sampler.name}"`,
        produce: (missing) => {
          const requests = missing.map(({ question: { id, record, promptTokens }, candidates }) => {
            return { question: { id, prompt: record.prompt, messages: record.messages, answer: record.answer }, promptTokens, candidates }
          })
          return sampler.sample(requests, { policy, model: model.source, sampling, signal })
        },
      })

      const counts = { questions: kept.length, sampled: 0, duplicate: 0, truncated: 0, empty: 0 }
      const lines = mapped(
        completions,
        ({ question: { id, record, promptTokens, asked, references }, completions: own }): SampledQuestion => {
          const all = own.map((completion) => encoder.sampled(record, completion))
          counts.sampled += all.length
          counts.truncated += all.filter(({ finish }) => finish === 'length').length
          const candidates = distinct(all)
          counts.empty += all.filter(({ tokens }) => tokens.length === 0).length
          counts.duplicate += all.filter(({ tokens }) => tokens.length > 0).length - candidates.length
          return { id, promptTokens, sampled: all.length, ...(asked === undefined ? {} : { asked }), candidates, references }
        },
      )
      try {
        await writeJsonLines(desk.folder.file('samples.jsonl'), lines)
      } finally {
        await sampler.close?.()
      }
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
        figures: { ...counts, ...(kept.length < records.length ? { skipped: records.length - kept.length } : {}) },
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
  return record.candidates.flatMap((candidate) => {
    const { text, reference, reward } = candidate
    const example = reference ? encoder.example(record, candidate) : undefined
    return example ? [{ text, tokens: example.completion, ...(reward === undefined ? {} : { reward }) }] : []
  })
}
