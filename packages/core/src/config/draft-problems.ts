import { z } from 'zod'
import { REFERENCE_LIKELIHOOD } from '../objective/reference-likelihood'
import type { PluginRegistry } from '../plugins/registry'
import { Maker, named, type Options } from './made'
import { VARIANT_KEYS } from './normalize'
import { without } from '../util/without'
import { dataSourceSchema } from './schema'
import type { ConfigDraft, KeyPath, Problem } from './source'
import { DATA_KEYS } from './sources'

/** What is wrong with the names and options of plugins in a config that has other mistakes too, as far as its sections can be read. */
export function draftProblems({ written, source }: ConfigDraft, registry: PluginRegistry): Problem[] {
  const maker = new Maker(source, registry)
  const root = section(written)
  const data = section(root.data)
  for (const key of DATA_KEYS) {
    const sources = Array.isArray(data[key])
      ? list(data[key]).map((value, index) => ({ value, at: [index] }))
      : [{ value: data[key], at: [] }]
    for (const { value, at } of sources) {
      const { format = 'groups', ...rest } = section(value)
      if (typeof format !== 'string') continue
      maker.make('dataset', {
        name: format,
        options: without(rest, ...OTHER_KEYS),
        path: ['data', key, ...at],
        nameKey: 'format',
        alsoKnown: SOURCE_KEYS,
      })
    }
  }
  const plugged = (kind: 'sampler' | 'labeler' | 'backend' | 'reporter', value: unknown, path: KeyPath): void => {
    const chosen = typeof value === 'string' ? value : section(value)
    if (chosen === 'auto' || (typeof chosen !== 'string' && (typeof chosen.name !== 'string' || chosen.name === 'auto'))) return
    maker.make(kind, named(chosen as string | ({ name: string } & Options), path))
  }
  plugged('sampler', section(root.sample).sampler, ['sample', 'sampler'])
  plugged('labeler', root.label, ['label'])
  plugged('labeler', section(root.evaluate).label, ['evaluate', 'label'])
  plugged('backend', root.backend, ['backend'])
  for (const [index, reporter] of list(root.reporters).entries()) plugged('reporter', reporter, ['reporters', index])
  for (const [index, variant] of list(root.align).entries()) {
    for (const [position, entry] of list(section(variant).losses).entries()) {
      const { loss, ...rest } = section(entry)
      const options = without(rest, 'weight')
      const path = ['align', index, 'losses', position]
      if (loss === REFERENCE_LIKELIHOOD) maker.check(z.strictObject({}), options, path, 'loss "sft"', VARIANT_KEYS)
      else if (typeof loss === 'string')
        maker.make('loss', { name: loss, options, path, nameKey: 'loss', alsoKnown: [...VARIANT_KEYS, 'weight'] })
    }
  }
  return maker.problems
}

const SOURCE_KEYS = Object.keys(dataSourceSchema.shape)
const OTHER_KEYS = SOURCE_KEYS.filter((key) => key !== 'format')

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

function section(value: unknown): Options {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Options) : {}
}
