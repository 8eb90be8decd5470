import type { PluginKind } from '@plumbline/core'

/** Several things of a kind, as headings call them; in the order in which kinds are listed everywhere. */
export const KIND_PLURALS = {
  loss: 'Losses',
  sampler: 'Samplers',
  labeler: 'Labelers',
  backend: 'Backends',
  dataset: 'Data formats',
  reporter: 'Reporters',
} as const satisfies Record<PluginKind, string>

export const KINDS = Object.keys(KIND_PLURALS) as (keyof typeof KIND_PLURALS)[]
