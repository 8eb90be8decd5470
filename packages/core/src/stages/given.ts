import { setImmediate as tick } from 'node:timers/promises'
import { labelsOf } from '../data/given'
import { writeJsonLines } from '../data/write'
import { PlumbError } from '../errors'
import { promptIdentity } from '../prompt/identity'
import type { Finished, Model, StageContext, StageDesk } from './context'
import type { DataSet, RunData } from './data'
import type { Encoder } from './encoding'
import type { SampledCandidate, SampledQuestion } from './records'
import { askedAs } from './reading'
import { noteEncoding } from './sft'

/** Stage 2 where candidates come from the data file: its texts as tokens, duplicates removed. The model lends its tokenizer only. */
export async function givenStage(context: StageContext, data: RunData, model: Model): Promise<Finished> {
  const { config, sampler } = context.resolved
  const { records, hash, title } = data.questions
  // Which candidates the sampler takes is part of the records.
  const determinedBy = { model: model.hash, sample: { sampler: sampler.name }, ...promptIdentity(config, 'chains'), questions: hash }
  return context.run({ stage: 'sample', determinedBy, backend: false }, (desk) =>
    context.withFacts(model, async (facts) => {
      const counts = new GivenCounts()
      const lines = encodeGiven(context, desk, context.encoder(facts), data.questions, counts)
      const some = async function* (): AsyncGenerator<SampledQuestion> {
        yield* lines
        if (counts.candidates > 0) return
        throw new PlumbError(
          'PLUMB_DATA_EMPTY',
          `No candidate of ${title} fits into the model's context of ${facts.contextLength} tokens, or what lengths allows of it.`,
        )
      }
      await writeJsonLines(desk.folder.file('samples.jsonl'), some())
      return {
        artifacts: ['samples.jsonl'],
        summary: `${counts.given} candidates of ${records.length} questions from the data file, ${counts.duplicate} of them duplicates${counts.overlong > 0 ? `, ${counts.overlong} too long and left out` : ''}`,
        figures: { questions: records.length, given: counts.given, duplicate: counts.duplicate, overlong: counts.overlong },
      }
    }),
  )
}

/** What {@link encodeGiven} has met; whole once its lines are through. */
export class GivenCounts {
  /** Candidates of the file. */
  given = 0
  /** Longer than the context, with the prompt. */
  overlong = 0
  /** What is left. */
  candidates = 0

  get duplicate(): number {
    return this.given - this.overlong - this.candidates
  }
}

/** The end of a summary: what was left out, and why. */
export function leftOut({ duplicate, overlong }: GivenCounts): string {
  const parts = [...(duplicate > 0 ? [`${duplicate} duplicates`] : []), ...(overlong > 0 ? [`${overlong} too long`] : [])]
  return parts.length === 0 ? '' : `; left out: ${parts.join(', ')}`
}

const TICK_EVERY = 100

/**
 * The records' own candidates as tokens, EOS included, without repetitions and without those that do not fit, one question at a time;
 * says at the end what was left out.
 */
export async function* encodeGiven(
  context: StageContext,
  desk: StageDesk,
  encoder: Encoder,
  { records, title }: DataSet,
  counts: GivenCounts,
): AsyncGenerator<SampledQuestion> {
  let done = 0
  let contradicting = 0
  desk.start(records.length)
  for (const record of records) {
    encoder.noteArguments(record)
    const promptTokens = encoder.question(record)
    if (promptTokens === undefined) {
      done++
      continue
    }
    const encoded = record.candidates.flatMap((given, candidate): SampledCandidate[] => {
      const { completion: tokens, cut } = encoder.example(record, given) ?? {}
      if (tokens === undefined) return []
      const text = cut ? encoder.model.tokenizer.decode(tokens) : given.text
      return [{ candidate, times: 1, text, tokens, finish: cut ? 'length' : 'eos', given: labelsOf(given) }]
    })
    const { candidates, contradicts } = distinctGiven(encoded)
    if (contradicts) contradicting++
    counts.given += record.candidates.length
    counts.overlong = encoder.tooLong
    counts.candidates += candidates.length
    done++
    const asked = askedAs(encoder, record)
    yield {
      id: record.id,
      promptTokens,
      sampled: record.candidates.length,
      ...(asked === undefined ? {} : { asked }),
      candidates,
      references: [],
    }
    if (done % TICK_EVERY === 0 || done === records.length) {
      await tick()
      context.signal?.throwIfAborted()
      desk.progress({ done, total: records.length, unit: 'questions' })
    }
  }
  noteEncoding(encoder, desk, title, 'candidate')
  if (contradicting > 0) {
    desk.notice(
      'warning',
      `In ${contradicting} of ${records.length} questions of ${title} the same text stands twice with different labels; the first counts.`,
    )
  }
}

/** Token by token; the first of its kind stays, counts the others, and is a reference if one of them is. */
function distinctGiven(encoded: readonly SampledCandidate[]): { candidates: SampledCandidate[]; contradicts: boolean } {
  const kinds = new Map<string, SampledCandidate>()
  let contradicts = false
  for (const candidate of encoded) {
    const key = candidate.tokens.join(' ')
    const first = kinds.get(key)
    if (first && (first.given?.positive !== candidate.given?.positive || first.given?.reward !== candidate.given?.reward))
      contradicts = true
    const isReference = first?.given?.reference ?? candidate.given?.reference
    const given = { ...(first ?? candidate).given, ...(isReference ? { reference: true } : {}) }
    kinds.set(key, first ? { ...first, times: first.times + 1, given } : candidate)
  }
  return { candidates: [...kinds.values()], contradicts }
}
