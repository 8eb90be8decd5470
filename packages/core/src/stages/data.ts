import type { Config, DataSource } from '../config/schema'
import { shownPath } from '../util/shown-path'
import { checkGiven, givenTexts } from '../data/given'
import { originOf } from '../data/origin'
import { readRecords } from '../data/read'
import type { GroupRecord } from '../seams/records'
import { isPlumbError, PlumbError } from '../errors'
import { AnswerLabeler, answerOptions } from '../labelers/answer'
import { REFERENCE_LIKELIHOOD } from '../objective/reference-likelihood'
import { hashFile, hashJson } from '../run/hash'
import { isGiven } from '../samplers/dataset'
import type { CandidateText, Labeler } from '../seams/labeler'
import type { RunDependencies } from './dependencies'

export interface DataSet {
  readonly records: readonly GroupRecord[]
  /** SHA-256 of the file's content and of how it is read. */
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
export async function readData(config: Config, dependencies: RunDependencies): Promise<RunData> {
  const { data } = config
  const { labeler, sampler } = dependencies
  const read = async (source: DataSource, needsReference: boolean): Promise<DataSet> => {
    const { path, ...settings } = source
    const records = await readRecords(dependencies.dataset(source), source, { reference: needsReference })
    if (records.length === 0) throw new PlumbError('PLUMB_DATA_EMPTY', 'The file holds no record.', shownPath(path))
    checkUnique(records, path)
    return { records, hash: hashJson({ content: await hashFile(path), settings }) }
  }
  const train = await read(data.train, trainsOnChains(config, dependencies))
  const questions = data.questions ? await read(data.questions, false) : train
  const validation = data.validation && (await read(data.validation, true))
  const test = await read(data.test, false)
  if (isGiven(sampler)) {
    checkGiven(questions.records)
    await checkLabelable([...questions.records, ...test.records], labeler, givenTexts)
    await checkLabelable(answered(test.records), judgeOf(labeler))
  } else {
    await checkLabelable(questions.records, labeler)
    await checkLabelable(test.records, judgeOf(labeler))
  }
  return { train, questions, validation, test }
}

/** Who says whether an answer is right: the run's labeler, or, where that one only ranks, the comparison of final answers. */
export function judgeOf(labeler: Labeler): Labeler {
  return labeler.feedback === 'binary' ? labeler : new AnswerLabeler(answerOptions.parse({}))
}

/** The questions whose answer is known. */
export function answered(records: readonly GroupRecord[]): readonly GroupRecord[] {
  return records.filter(({ answer }) => answer !== undefined)
}

/** Whether anything reads the reference chains of `data.train`: stage 1, or the L_VFT of a variant that does not only take the questions' own. */
function trainsOnChains({ sft, align }: Config, { losses }: RunDependencies): boolean {
  const needs = (variant: Config['align'][number]) =>
    variant.sftFrom !== 'question' && losses(variant).some(({ loss }) => loss.manifest.name === REFERENCE_LIKELIHOOD)
  return sft.steps !== 0 || align.some(needs)
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
      await labeler.label(record, candidates(record))
    } catch (error) {
      if (!isPlumbError(error) || error.where !== undefined) throw error
      throw new PlumbError(error.code, error.message, originOf(record), { cause: error })
    }
  }
}
