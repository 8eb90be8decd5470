import type { DatasetReader } from '../seams/dataset'
import type { Labeler } from '../seams/labeler'
import type { AlignmentLoss } from '../seams/loss'
import type { Backend } from '../seams/policy'
import type { Reporter } from '../seams/reporter'
import type { CandidateSource } from '../seams/sampler'

/** What a plugin can add, by kind. */
export interface Pluggable {
  loss: AlignmentLoss
  sampler: CandidateSource
  labeler: Labeler
  backend: Backend
  dataset: DatasetReader
  reporter: Reporter
}

export type PluginKind = keyof Pluggable

/** How a kind is called in messages. */
export const KIND_TITLES: Readonly<Record<PluginKind, string>> = {
  loss: 'loss',
  sampler: 'sampler',
  labeler: 'labeler',
  backend: 'backend',
  dataset: 'dataset format',
  reporter: 'reporter',
}

/** The code of the error for an unknown name of a kind. */
export const UNKNOWN_CODES = {
  loss: 'PLUMB_UNKNOWN_LOSS',
  sampler: 'PLUMB_UNKNOWN_SAMPLER',
  labeler: 'PLUMB_UNKNOWN_LABELER',
  backend: 'PLUMB_UNKNOWN_BACKEND',
  dataset: 'PLUMB_UNKNOWN_FORMAT',
  reporter: 'PLUMB_UNKNOWN_REPORTER',
} as const satisfies Record<PluginKind, `PLUMB_${string}`>
