import type { Config as OclifConfig } from '@oclif/core'
import { chooseBackend, loadConfig, PlumbError, resolveConfig, type Config, type ModelFacts, type ModelSource } from '@plumbline/core'
import { shownPath } from '../paths'
import { dependenciesOf } from '../run/dependencies'
import { loadAllPlugins } from '../run/plugins'
import { inspectSource, type InspectedSource } from './sources'

export interface InspectOptions {
  readonly configFile?: string
  readonly overrides: readonly string[]
  /** One source of the config: `train`, … */
  readonly only?: string
  /** How many records of each source are shown. */
  readonly records: number
  readonly oclif: OclifConfig
}

/** What a run would make of its data, without running: the config, the data files and the model's tokenizer are all that is read. */
export async function inspectData({ configFile, overrides, only, records, oclif }: InspectOptions): Promise<{
  readonly sources: readonly InspectedSource[]
  readonly warnings: readonly string[]
}> {
  const loaded = await loadConfig({ path: configFile, overrides })
  const { registry, warnings } = await loadAllPlugins(loaded.config.plugins, loaded.folder, oclif)
  const resolved = resolveConfig(loaded, registry)
  try {
    const { data } = resolved
    const all = new Set([data.train, data.questions, data.validation, data.test].filter((source) => source !== undefined))
    const chosen = [...all].filter(({ name }) => only === undefined || name === only)
    if (chosen.length === 0) {
      const message = `The configuration has no data.${only ?? ''}${only === 'questions' ? ' of its own: data.train is sampled on' : ''}.`
      throw new PlumbError('PLUMB_INSPECT_NO_SOURCE', message, shownPath(loaded.source.file ?? ''))
    }
    const { backend } = await chooseBackend(resolved.backend.candidates)
    const dependencies = dependenciesOf(resolved, backend, '')
    const sources: InspectedSource[] = []
    await withFacts(loaded.config, dependencies, async (model) => {
      for (const source of chosen) sources.push(await inspectSource({ source, model, dependencies, records }))
    })
    return { sources, warnings }
  } finally {
    await resolved.context.dispose()
  }
}

/** The tokenizer and the context of the run's model; the model itself is opened only by backends that know no other way. */
async function withFacts(
  { model }: Config,
  { backend, openOptions }: Pick<ReturnType<typeof dependenciesOf>, 'backend' | 'openOptions'>,
  use: (model: ModelFacts) => Promise<void>,
): Promise<void> {
  const source: ModelSource = typeof model === 'string' ? { kind: 'folder', path: model } : { kind: 'scratch', ...model }
  const facts = await backend.inspect?.(source)
  if (facts) return use(facts)
  const policy = await backend.open(source, openOptions)
  try {
    await use({ tokenizer: policy.tokenizer, contextLength: policy.info.contextLength })
  } finally {
    await policy.dispose()
  }
}
