import type { PluginKind } from '@plumbline/core'

/** Several things of a kind, as headings call them; in the order in which `plumb doctor` lists them. */
export const KIND_PLURALS = {
  loss: 'Losses',
  sampler: 'Samplers',
  labeler: 'Labelers',
  backend: 'Backends',
  dataset: 'Data formats',
  reporter: 'Reporters',
} as const satisfies Record<PluginKind, string>
