import type { ResolvedConfig, ResolvedSource } from '../config/resolve'
import { checkGiven, givenTexts } from '../data/given'
import { questionKey } from '../data/key'
import { noteOrigin, originOf } from '../data/origin'
import { readRecords } from '../data/read'
import { isPlumbError, PlumbError } from '../errors'
import { isLikelihood } from '../objective/groups'
import { RecordHash } from '../run/hash'
import type { CandidateText, Labeler } from '../seams/labeler'
import type { GroupRecord } from '../seams/records'
import { isGiven, type GivenSampler } from '../seams/sampler'
import { shownPath } from '../util/shown-path'
import { checkedLabels } from './checked-labels'

export interface DataSet {
  /** As messages show it: the key of the config that names the file. */
  readonly title: string
  readonly records: readonly GroupRecord[]
  /** SHA-256 of the records: where they come from, and what else the file holds, does not matter. */
  readonly hash: string
}

export interface RunData {
  /** With reference chains, where they are trained on. */
  readonly train: DataSet
  /** Sampled on. */
  readonly questions: DataSet
  readonly validation?: DataSet
  readonly test: DataSet
}

/**
 * Reads every data file of the config before anything is computed, so that what is wrong with the last one is not found after an
 * hour of training.
 */
export async function readData(resolved: ResolvedConfig): Promise<RunData> {
  const { data } = resolved
  const { made: labeler } = resolved.labeler
  const { made: sampler } = resolved.sampler
  const train = await readSet(data.train, trainsOnChains(resolved))
  const questions = data.questions === data.train ? train : await readSet(data.questions, false)
  const validation = data.validation && (await readSet(data.validation, true))
  const test = await readSet(data.test, false)
  if (!isGiven(sampler)) {
    await checkLabelable(questions.records, labeler)
    await checkLabelable(askedOf(resolved, test.records), resolved.judge.made)
    return { train, questions, validation, test }
  }
  const given = { train, questions: await withCandidates(questions, sampler), validation, test: await withCandidates(test, sampler) }
  checkGiven(given.questions.records)
  await checkLabelable([...given.questions.records, ...given.test.records], labeler, givenTexts)
  await checkLabelable(askedOf(resolved, given.test.records), resolved.judge.made)
  return given
}

/** The test questions whose greedy answers are judged: all of them, or those whose answer is known. */
export function askedOf({ judge }: ResolvedConfig, records: readonly GroupRecord[]): readonly GroupRecord[] {
  return judge.asked === 'all' ? records : records.filter(({ answer }) => answer !== undefined)
}

/** How many test questions stand in a file that is learnt from, too. */
export function leaked({ train, questions, test }: RunData): { readonly count: number; readonly title: string } | undefined {
  for (const { records, title } of questions === train ? [train] : [train, questions]) {
    const seen = new Set(records.map(questionKey))
    const count = test.records.filter((record) => seen.has(questionKey(record))).length
    if (count > 0) return { count, title }
  }
  return undefined
}

async function readSet({ title, path, limit, reader }: ResolvedSource, needsReference: boolean): Promise<DataSet> {
  const records = await readRecords(reader, { path, limit }, { reference: needsReference })
  if (records.length === 0) throw new PlumbError('PLUMB_DATA_EMPTY', 'The file holds no record.', shownPath(path))
  checkUnique(records, path)
  return { title, records, hash: hashOf(records) }
}

/** The records with the candidates that the sampler takes for them. */
async function withCandidates(set: DataSet, sampler: GivenSampler): Promise<DataSet> {
  const records: GroupRecord[] = []
  for (const record of set.records) {
    const candidates = await sampler.candidates(record)
    const chosen = candidates === record.candidates ? record : { ...record, candidates }
    const origin = originOf(record)
    if (chosen !== record && origin !== undefined) noteOrigin(chosen, origin)
    records.push(chosen)
  }
  return { ...set, records, hash: hashOf(records) }
}

function hashOf(records: readonly GroupRecord[]): string {
  const hash = new RecordHash()
  for (const record of records) hash.add(record)
  return hash.digest()
}

/** Whether anything reads the reference chains of `data.train`: stage 1, or the L_VFT of a variant that does not only take the questions' own. */
function trainsOnChains({ config, variants }: ResolvedConfig): boolean {
  return (
    config.sft.steps !== 0 ||
    variants.some(({ config: { sftFrom }, terms }) => sftFrom !== 'question' && terms.some(({ loss }) => isLikelihood(loss)))
  )
}

/** Ids key the random streams and tie candidates to questions. */
function checkUnique(records: readonly GroupRecord[], path: string): void {
  const seen = new Set<string>()
  for (const record of records) {
    if (seen.has(record.id)) {
      throw new PlumbError(
        'PLUMB_DATA_DUPLICATE_ID',
        `The id "${record.id}" occurs twice; ids must be unique.`,
        originOf(record) ?? shownPath(path),
      )
    }
    seen.add(record.id)
  }
}

/** A labeler refuses a question it cannot judge even when there is no candidate yet. */
async function checkLabelable(
  records: readonly GroupRecord[],
  labeler: Labeler,
  candidates: (record: GroupRecord) => readonly CandidateText[] = () => [],
): Promise<void> {
  for (const record of records) {
    try {
      await checkedLabels(labeler, record, candidates(record))
    } catch (error) {
      if (!isPlumbError(error) || error.where !== undefined) throw error
      throw new PlumbError(error.code, error.message, originOf(record), { cause: error })
    }
  }
}
