import type { Question } from '../seams/records'
import { PlumbError } from '../errors'
import type { CandidateText, Label, Labeler } from '../seams/labeler'

/**
 * The labels that the data file gives with its candidates: `positive` where all candidates of a question have it (a reference needs
 * none, it is right by definition), else `reward`.
 */
export class DatasetLabeler implements Labeler {
  readonly name = 'dataset'
  /** What the file's labels are is the file's; of an answer that is not in it they say nothing. */
  readonly feedback = 'ranked'
  readonly needsGiven = true

  /** @throws PlumbError PLUMB_DATA_NO_LABEL when a candidate has no label, or not of the same kind as the others. */
  async label({ id }: Question, candidates: readonly CandidateText[]): Promise<readonly Label[]> {
    const given = candidates.map((candidate) => candidate.given ?? {})
    const unlabelled = given.findIndex(({ positive, reward, reference }) => positive === undefined && reward === undefined && !reference)
    if (unlabelled >= 0) {
      throw new PlumbError(
        'PLUMB_DATA_NO_LABEL',
        `Candidate ${unlabelled + 1} of question "${id}" has neither "positive" nor "reward", and labels come from the data file.`,
      )
    }
    if (given.every(({ positive, reference }) => positive !== undefined || reference)) {
      return given.map(({ positive = true, reward }) => ({
        status: positive ? 'right' : 'wrong',
        positive,
        ...(reward === undefined ? {} : { reward }),
      }))
    }
    if (given.every(({ reward }) => reward !== undefined)) return given.map(({ reward }) => ({ status: 'ranked', reward }))
    throw new PlumbError(
      'PLUMB_DATA_NO_LABEL',
      `The candidates of question "${id}" are labelled in two ways; expected "positive" for all of them, or "reward" for all.`,
    )
  }
}
