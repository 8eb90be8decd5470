import type { Config as OclifConfig } from '@oclif/core'
import { drawsOf, modelSource, PlumbError, shownPath, withConfig, type ChosenEngine, type Config, type ModelFacts } from '@plumbline/core'
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

export interface Inspection {
  readonly sources: readonly InspectedSource[]
  readonly warnings: readonly string[]
}

const SOURCES = ['train', 'questions', 'validation', 'test'] as const

/** What a run would make of its data, without running: the config, the data files and the model's tokenizer are all that is read. */
export async function inspectData({ configFile, overrides, only, records, oclif }: InspectOptions): Promise<Inspection> {
  const warnings: string[] = []
  const options = {
    path: configFile,
    overrides,
    registry: async (listed: readonly string[], folder: string) => {
      const loaded = await loadAllPlugins(listed, folder, oclif)
      warnings.push(...loaded.warnings)
      return loaded.registry
    },
  }
  return withConfig(
    options,
    (event) => event.type === 'notice' && warnings.push(event.message),
    async (resolved, engine, { source }) => {
      const { config, data } = resolved
      // questions that are not the config's own are those of train
      const own = SOURCES.filter((name) => config.data[name] !== undefined && (only === undefined || name === only))
      if (own.length === 0) {
        const message = `The configuration has no data.${only ?? ''}${only === 'questions' ? ' of its own: data.train is sampled on' : ''}.`
        throw new PlumbError('PLUMB_INSPECT_NO_SOURCE', message, shownPath(source.file ?? ''))
      }
      const sources: InspectedSource[] = []
      await withFacts(config, engine, async (model) => {
        for (const name of own) {
          const inspected: InspectedSource[] = []
          for (const from of data[name] ?? []) inspected.push(await inspectSource({ name, source: from, model, resolved, records }))
          sources.push(...withDraws(inspected, config.data.mixStrategy))
        }
      })
      return { sources, warnings }
    },
  )
}

/** Of several sources with weights, how many records a run takes of each. */
function withDraws(sources: readonly InspectedSource[], strategy: Config['data']['mixStrategy']): readonly InspectedSource[] {
  const weights = sources.flatMap(({ weight }) => weight ?? [])
  if (weights.length === 0 || sources.some(({ counts }) => counts.records === 0)) return sources
  const sizes = sources.map(({ counts }) => counts.records)
  const drawn = drawsOf(sizes, weights, strategy ?? 'under')
  return sources.map((source, s) => ({ ...source, drawn: drawn[s] }))
}

/** The tokenizer and the context of the run's model; the model itself is opened only by backends that know no other way. */
async function withFacts({ model }: Config, { made, open }: ChosenEngine, use: (model: ModelFacts) => Promise<void>): Promise<void> {
  const source = await modelSource(model)
  const facts = await made.inspect?.(source)
  if (facts) return use(facts)
  const policy = await made.open(source, open)
  try {
    await use({ tokenizer: policy.tokenizer, contextLength: policy.info.contextLength })
  } finally {
    await policy.dispose()
  }
}
