import type { ResolvedConfig, ResolvedSource } from '../config/resolve'
import { checkGiven, givenTexts } from '../data/given'
import { questionKey } from '../data/question-key'
import { noteOrigin, originOf } from '../data/origin'
import { streamRecords } from '../data/read'
import { StoredRecords } from '../data/stored-records'
import { isPlumbError, PlumbError } from '../errors'
import { isLikelihood } from '../objective/groups'
import { RecordHash } from '../run/hash'
import type { Spools } from '../run/spool'
import type { CandidateText, Labeler } from '../seams/labeler'
import type { GroupRecord } from '../seams/records'
import { isGiven, type GivenSampler } from '../seams/sampler'
import { KeyTable } from '../util/key-table'
import { Selected, type Sequence } from '../util/sequence'
import { shownPath } from '../util/shown-path'
import { checkedLabels } from './checked-labels'

export interface DataSet {
  /** As messages show it: the key of the config that names the file. */
  readonly title: string
  /** On disk, and read when they are asked for. */
  readonly records: Sequence<GroupRecord>
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
 * hour of training. Each is read once; its records are then kept in `spools`.
 */
export async function readData(resolved: ResolvedConfig, spools: Spools): Promise<RunData> {
  const { data } = resolved
  const { made: labeler } = resolved.labeler
  const { made: sampler } = resolved.sampler
  const train = await readSet(data.train, trainsOnChains(resolved), spools)
  const questions = data.questions === data.train ? train : await readSet(data.questions, false, spools)
  const validation = data.validation && (await readSet(data.validation, true, spools))
  const test = await readSet(data.test, false, spools)
  if (!isGiven(sampler)) {
    await checkLabelable(questions.records, labeler)
    await checkLabelable(askedOf(resolved, test.records), resolved.judge.made)
    return { train, questions, validation, test }
  }
  const given = {
    train,
    questions: await withCandidates(questions, sampler, spools),
    validation,
    test: await withCandidates(test, sampler, spools),
  }
  for (const record of given.questions.records) checkGiven(record)
  await checkLabelable(given.questions.records, labeler, givenTexts)
  await checkLabelable(given.test.records, labeler, givenTexts)
  await checkLabelable(askedOf(resolved, given.test.records), resolved.judge.made)
  return given
}

/** The test questions whose greedy answers are judged: all of them, or those whose answer is known. */
export function askedOf({ judge }: ResolvedConfig, records: Sequence<GroupRecord>): Sequence<GroupRecord> {
  return judge.asked === 'all' ? records : Selected.of(records, ({ answer }) => answer !== undefined)
}

/** How many test questions stand in a file that is learnt from, too. */
export function leaked({ train, questions, test }: RunData): { readonly count: number; readonly title: string } | undefined {
  for (const { records, title } of questions === train ? [train] : [train, questions]) {
    const count = countSeen(test.records, records)
    if (count > 0) return { count, title }
  }
  return undefined
}

/** How many of the questions are asked in other records too. */
export function countSeen(questions: Iterable<GroupRecord>, others: Iterable<GroupRecord>): number {
  const seen = new KeyTable()
  for (const record of others) seen.add(questionKey(record))
  let count = 0
  for (const record of questions) if (seen.has(questionKey(record))) count++
  return count
}

async function readSet({ title, path, limit, reader }: ResolvedSource, needsReference: boolean, spools: Spools): Promise<DataSet> {
  const records = new StoredRecords(spools, shownPath(path))
  const hash = new RecordHash()
  const ids = new KeyTable()
  for await (const record of streamRecords(reader, { path, limit }, { reference: needsReference })) {
    // Ids key the random streams and tie candidates to questions.
    if (ids.add(record.id) !== undefined) {
      const where = originOf(record) ?? shownPath(path)
      throw new PlumbError('PLUMB_DATA_DUPLICATE_ID', `The id "${record.id}" occurs twice; ids must be unique.`, where)
    }
    hash.add(record)
    records.add(record)
  }
  if (records.length === 0) throw new PlumbError('PLUMB_DATA_EMPTY', 'The file holds no record.', shownPath(path))
  return { title, records, hash: hash.digest() }
}

/** The records with the candidates that the sampler takes for them. */
async function withCandidates(set: DataSet, sampler: GivenSampler, spools: Spools): Promise<DataSet> {
  const records = new StoredRecords(spools, set.title)
  const hash = new RecordHash()
  for (const record of set.records) {
    const candidates = await sampler.candidates(record)
    const chosen = candidates === record.candidates ? record : { ...record, candidates }
    const origin = originOf(record)
    if (chosen !== record && origin !== undefined) noteOrigin(chosen, origin)
    hash.add(chosen)
    records.add(chosen)
  }
  return { ...set, records, hash: hash.digest() }
}

/** Whether anything reads the reference chains of `data.train`: stage 1, or the L_VFT of a variant that does not only take the questions' own. */
function trainsOnChains({ config, variants }: ResolvedConfig): boolean {
  return (
    config.sft.steps !== 0 ||
    variants.some(({ config: { sftFrom }, terms }) => sftFrom !== 'question' && terms.some(({ loss }) => isLikelihood(loss)))
  )
}

/** A labeler refuses a question it cannot judge even when there is no candidate yet. */
async function checkLabelable(
  records: Iterable<GroupRecord>,
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
