import type { CandidateRecord, GroupRecord } from '../seams/records'
import type { GivenSampler } from '../seams/sampler'

/** The candidates that the questions' data file gives. */
export class DatasetSampler implements GivenSampler {
  readonly name = 'dataset'
  readonly kind = 'given'

  candidates({ candidates }: GroupRecord): readonly CandidateRecord[] {
    return candidates
  }
}
