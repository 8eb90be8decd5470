import {
  Encoder,
  EncodingCache,
  isGiven,
  isPlumbError,
  renderPrompt,
  shownPath,
  streamRecords,
  type GroupRecord,
  type ModelFacts,
  type ResolvedConfig,
  type TokenGroup,
} from '@plumbline/core'
import type { Check } from './check'
import { unlessTooLong } from '../inspect/too-long'

/** Records of each file that are looked at closely, and how long the others are counted. */
const LOOKED_AT = 200
const COUNTING_MS = 2000
/** Of each file, so many questions are kept for the measurement. */
const KEPT = 8

/** What the files of one key of `data` hold. Averages in tokens, over the first records. */
export interface Survey {
  readonly records: number
  /** False where a file was too long to be counted to its end. */
  readonly isWhole: boolean
  readonly prompt: number
  /** Of the chains that are trained on: references, or all candidates where they are given. */
  readonly chain: number
  /** Chains per question. */
  readonly chains: number
  readonly groups: readonly TokenGroup[]
}

type Key = 'train' | 'questions' | 'test'
export type Surveys = Readonly<Record<Key, Survey>>

/** Reads the first records of every data file as the model will see them, and counts the others. */
export async function surveyData(
  resolved: ResolvedConfig,
  facts: ModelFacts,
): Promise<{ readonly checks: Check[]; readonly surveys?: Surveys }> {
  const checks: Check[] = []
  const found = new Map<string, Survey>()
  const { data } = resolved
  for (const key of ['train', 'questions', 'validation', 'test'] as const) {
    if (key === 'questions' && data.questions === data.train) continue
    const parts: Survey[] = []
    for (const source of data[key] ?? []) {
      try {
        const { check, survey } = await surveySource(resolved, key, source, facts)
        checks.push(check)
        parts.push(survey)
      } catch (error) {
        if (!isPlumbError(error)) throw error
        checks.push({ status: 'error', name: 'Data', detail: [error.code, error.where, error.message].filter(Boolean).join('  ') })
      }
    }
    if (parts.length > 0 && parts.length === data[key]?.length) found.set(key, joined(parts))
  }
  const [train, test] = [found.get('train'), found.get('test')]
  const questions = found.get('questions') ?? (data.questions === data.train ? train : undefined)
  return { checks, ...(train && test && questions ? { surveys: { train, test, questions } } : {}) }
}

type Source = ResolvedConfig['data']['train'][number]

async function surveySource(
  resolved: ResolvedConfig,
  key: 'train' | 'questions' | 'validation' | 'test',
  { path, reader, limit, title, columns, onInvalid }: Source,
  facts: ModelFacts,
): Promise<{ readonly check: Check; readonly survey: Survey }> {
  const { config, labeler, sampler } = resolved
  const encoder = new Encoder(
    facts,
    (record, tokenizer) => renderPrompt(record, config.prompt, tokenizer),
    new EncodingCache(),
    config.lengths,
  )
  const areGiven = isGiven(sampler.made)
  const totals = { looked: 0, prompt: 0, chain: 0, chains: 0, longPrompts: 0, longChains: 0, unanswered: 0, plain: 0, refused: 0 }
  let records = 0
  const groups: TokenGroup[] = []
  const onRefused = (): number => totals.refused++
  let until = Infinity
  let isWhole = true
  for await (const record of streamRecords(reader, { path, limit, columns, ...(onInvalid === 'skip' ? { onRefused } : {}) })) {
    records++
    if (records > LOOKED_AT) {
      if (until === Infinity) until = performance.now() + COUNTING_MS
      if (records % 64 > 0 || performance.now() < until) continue
      isWhole = false
      break
    }
    totals.looked++
    if (record.answer === undefined) totals.unanswered++
    if (record.messages === undefined && !record.literal) totals.plain++
    const prompt = unlessTooLong(() => encoder.question(record))
    if (prompt === undefined) {
      totals.longPrompts++
      continue
    }
    const isTrained = ({ reference }: GroupRecord['candidates'][number]) => reference === true || areGiven
    const completions = record.candidates.filter(isTrained).flatMap((candidate) => {
      const example = unlessTooLong(() => encoder.example(record, candidate))
      if (example === undefined) totals.longChains++
      return example === undefined ? [] : [example.completion]
    })
    totals.prompt += prompt.length
    totals.chains += completions.length
    totals.chain += completions.reduce((sum, { length }) => sum + length, 0)
    if (completions.length > 0 && groups.length < KEPT) groups.push({ id: record.id, prompt, completions })
  }
  const asked = totals.looked - totals.longPrompts
  const survey = {
    records,
    isWhole,
    prompt: totals.prompt / Math.max(1, asked),
    chain: totals.chain / Math.max(1, totals.chains),
    chains: totals.chains / Math.max(1, asked),
    groups,
  }
  // Right and wrong are told by the answer.
  const isJudged =
    ['answer', 'math'].includes(labeler.name) &&
    !areGiven &&
    (key === 'test' || config.data[key === 'questions' ? 'questions' : 'train'] === config.data[key])
  const needsAnswer = isJudged && key !== 'validation' && !(key === 'train' && config.data.questions !== undefined)
  const hasTemplate = facts.tokenizer.renderChat !== undefined
  const tooLong = totals.longPrompts + totals.longChains > 0
  const notes = [
    ...(totals.refused > 0 ? [`${totals.refused} that the format refuses are left out`] : []),
    ...(tooLong
      ? [
          `${totals.longPrompts} prompts and ${totals.longChains} answers are too long` +
            (config.lengths.onTooLong === 'error' ? ': a run stops there; lengths.onTooLong: skip leaves them out' : ''),
        ]
      : []),
    ...(needsAnswer && totals.unanswered > 0
      ? [`${totals.unanswered} have no final answer, and candidates are labelled by it: a run stops there`]
      : []),
    ...(hasTemplate && totals.plain > 0 && config.prompt.chat !== true
      ? ['the model has a chat template, and plain questions do not go through it; prompt.chat: true puts them through']
      : []),
  ]
  const status =
    records === 0 || (needsAnswer && totals.unanswered > 0) ? 'error' : tooLong && config.lengths.onTooLong === 'error' ? 'warning' : 'ok'
  const count = `${isWhole ? '' : 'at least '}${records} records`
  const lengths = totals.chains > 0 ? `, answers of ${Math.round(survey.chain)}` : ''
  const detail = `${title}: ${shownPath(path)} as ${reader.name}, ${count}; prompts of ${Math.round(survey.prompt)} tokens on average${lengths}`
  const first = totals.looked < records ? ` (of the first ${totals.looked})` : ''
  return { check: { status, name: 'Data', detail: [`${detail}${first}`, ...notes].join('; ') }, survey }
}

function joined(parts: readonly Survey[]): Survey {
  const records = parts.reduce((sum, part) => sum + part.records, 0)
  const mean = (of: (part: Survey) => number): number =>
    parts.reduce((sum, part) => sum + of(part) * part.records, 0) / Math.max(1, records)
  return {
    records,
    isWhole: parts.every(({ isWhole }) => isWhole),
    prompt: mean(({ prompt }) => prompt),
    chain: mean(({ chain }) => chain),
    chains: mean(({ chains }) => chains),
    groups: parts.flatMap(({ groups }) => groups).slice(0, KEPT),
  }
}
