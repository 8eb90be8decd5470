import { PlumbError } from '../errors'
import type { CandidateText } from '../seams/labeler'
import { originOf } from './origin'
import type { CandidateRecord, GroupRecord } from '../seams/records'

/** A record's candidates as a labeler gets them. */
export function givenTexts({ candidates }: GroupRecord): CandidateText[] {
  return candidates.map((candidate) => ({ text: candidate.text, complete: true, given: labelsOf(candidate) }))
}

/** @throws PlumbError PLUMB_DATA_NO_CANDIDATES where the question has none. */
export function checkGiven(record: GroupRecord): void {
  if (record.candidates.length > 0) return
  throw new PlumbError(
    'PLUMB_DATA_NO_CANDIDATES',
    `Question "${record.id}" has no candidates, and sample.sampler "dataset" takes them from this file.`,
    originOf(record),
  )
}

/** The labels of a candidate, without its text. */
export function labelsOf({ positive, reward, reference }: CandidateRecord): NonNullable<CandidateText['given']> {
  return {
    ...(positive === undefined ? {} : { positive }),
    ...(reward === undefined ? {} : { reward }),
    ...(reference ? { reference } : {}),
  }
}
