import type { ResolvedConfig, ResolvedSource } from '../config/resolve'
import { checkGiven, givenTexts } from '../data/given'
import { noteOrigin, originOf } from '../data/origin'
import { questionKey } from '../data/question-key'
import { StoredRecords } from '../data/stored-records'
import { isPlumbError, PlumbError } from '../errors'
import { isLikelihood } from '../objective/groups'
import type { SourceFigures } from '../seams/run-events'
import { RecordHash } from '../run/hash'
import type { Spools } from '../run/spool'
import type { CandidateText, Labeler } from '../seams/labeler'
import type { GroupRecord } from '../seams/records'
import { isGiven, type GivenSampler } from '../seams/sampler'
import { KeyTable } from '../util/key-table'
import { Selected, type Sequence } from '../util/sequence'
import { checkedLabels } from './checked-labels'
import { joinedSets, readSources, type DataSet, type Reading } from './data-set'

export type { DataSet } from './data-set'

/** A test set: one of several has a name. */
export interface TestSet extends DataSet {
  readonly name?: string
}

export interface RunData {
  /** With reference chains, where they are trained on. */
  readonly train: DataSet
  /** Sampled on. */
  readonly questions: DataSet
  readonly validation?: DataSet
  /** All test questions. */
  readonly test: DataSet
  /** The sets that they come from, each evaluated for itself. */
  readonly tests: readonly TestSet[]
  /** What was read of each source. */
  readonly sources: readonly SourceFigures[]
}

/**
 * Reads every data file of the config before anything is computed, so that what is wrong with the last one is not found after an
 * hour of training. Each is read once; its records are then kept in `spools`.
 */
export async function readData(resolved: ResolvedConfig, spools: Spools): Promise<RunData> {
  const { config, data } = resolved
  const { made: labeler } = resolved.labeler
  const { made: sampler } = resolved.sampler
  const sources: SourceFigures[] = []
  const reading = {
    spools,
    seed: config.seed,
    strategy: config.data.mixStrategy,
    onSource: (figures: SourceFigures) => sources.push(figures),
  }
  const train = await readSources('data.train', data.train, trainsOnChains(resolved), reading)
  const own = data.questions === data.train ? train : await readSources('data.questions', data.questions, false, reading)
  const validation = data.validation && (await readSources('data.validation', data.validation, true, reading))
  const read = await readTests(data.test, reading)
  const isOfFile = isGiven(sampler)
  const questions = isOfFile ? await withCandidates(own, sampler, spools) : own
  const tests: TestSet[] = []
  for (const set of read) tests.push(isOfFile ? await withCandidates(set, sampler, spools) : set)
  const texts = isOfFile ? givenTexts : undefined
  if (isOfFile) for (const record of questions.records) checkGiven(record)
  await checkLabelable(questions.records, labeler, texts)
  if (isOfFile) for (const { records } of tests) await checkLabelable(records, labeler, texts)
  await checkJudgeable(resolved, tests)
  const [only] = tests
  const test = only !== undefined && tests.length === 1 ? only : joinedSets('data.test', tests)
  return { train, questions, validation, test, tests, sources }
}

/** Whether every question that is going to be asked can be judged. @throws PlumbError what the labeler says, at the place of the question. */
export async function checkJudgeable(resolved: ResolvedConfig, tests: readonly DataSet[]): Promise<void> {
  for (const { records } of tests) await checkLabelable(askedOf(resolved, records), resolved.judge.made)
}

/** The name of a stage on a test set, where there are several. */
export function ofSet(stage: string, { name }: TestSet): string {
  return name === undefined ? stage : `${stage}@${name}`
}

/** Every test set for itself: its records keep their ids, whatever other sets there are. */
export async function readTests(sources: readonly ResolvedSource[], reading: Reading): Promise<TestSet[]> {
  const sets: TestSet[] = []
  for (const source of sources) {
    const set = await readSources(source.title, [source], false, reading)
    sets.push(sources.length === 1 ? set : { ...set, name: source.name })
  }
  return sets
}

/** The test questions whose greedy answers are judged: all of them, or those whose answer is known. */
export function askedOf({ judge }: ResolvedConfig, records: Sequence<GroupRecord>): Sequence<GroupRecord> {
  return judge.asked === 'all' ? records : Selected.of(records, ({ answer }) => answer !== undefined)
}

/** How many of the test questions stand in a file that is learnt from, too. */
export function leaked(test: DataSet, { train, questions }: RunData): { readonly count: number; readonly title: string } | undefined {
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

/** The records with the candidates that the sampler takes for them. */
async function withCandidates<S extends DataSet>(set: S, sampler: GivenSampler, spools: Spools): Promise<S> {
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
