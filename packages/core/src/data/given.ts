import { PlumbError } from '../errors'
import type { CandidateText } from '../seams/labeler'
import { originOf } from './origin'
import type { CandidateRecord, GroupRecord } from '../seams/records'

/** A record's candidates as a labeler gets them. */
export function givenTexts({ candidates }: GroupRecord): CandidateText[] {
  return candidates.map((candidate) => ({ text: candidate.text, complete: true, given: labelsOf(candidate) }))
}

/** @throws PlumbError PLUMB_DATA_NO_CANDIDATES for the first question without any. */
export function checkGiven(records: readonly GroupRecord[]): void {
  const bare = records.find(({ candidates }) => candidates.length === 0)
  if (bare === undefined) return
  throw new PlumbError(
    'PLUMB_DATA_NO_CANDIDATES',
    `Question "${bare.id}" has no candidates, and sample.sampler "dataset" takes them from this file.`,
    originOf(bare),
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
