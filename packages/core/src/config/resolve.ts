import { z } from 'zod'
import { REFERENCE_LIKELIHOOD, ReferenceLikelihood } from '../objective/reference-likelihood'
import type { WeightedLoss } from '../objective/groups'
import type { PluginRegistry, RunContext } from '../plugins/registry'
import type { Logger } from '../plugins/tokens'
import type { DatasetReader } from '../seams/dataset'
import type { Labeler } from '../seams/labeler'
import type { Backend, OpenOptions } from '../seams/policy'
import type { Reporter } from '../seams/reporter'
import { isGiven, type CandidateSource } from '../seams/sampler'
import type { CodeIdentity, Identity } from './identity'
import type { LoadedConfig } from './load'
import { Maker, named, type Made, type Options } from './made'
import { VARIANT_KEYS } from './normalize'
import { dataSourceSchema, type AlignVariant, type Config, type DataSource } from './schema'
import { ConfigError, type KeyPath } from './source'
import { nameOfSource, sourcesOf, type DataKey } from './sources'

export type { Made } from './made'
export type { CodeIdentity, Identity } from './identity'

/** A config with everything it names made: what the stages work with. Dispose `context` when the run ends. */
export interface ResolvedConfig {
  readonly config: Config
  readonly data: ResolvedData
  readonly sampler: Made<CandidateSource>
  readonly labeler: Made<Labeler>
  readonly judge: Judge
  /** In the order of `align`. */
  readonly variants: readonly ResolvedVariant[]
  readonly backend: ResolvedBackend
  /** In the order of `reporters`. Nothing that is computed depends on them. */
  readonly reporters: readonly Made<Reporter>[]
  readonly context: RunContext
}

/** Who says which answers to the test questions are right. */
export interface Judge extends Made<Labeler> {
  /** Which of them it is asked about: all, or those whose answer is known. */
  readonly asked: 'all' | 'answered'
}

/** The sources of each key, one or several. */
export interface ResolvedData {
  readonly train: readonly ResolvedSource[]
  /** `train` where the config has no questions of their own. */
  readonly questions: readonly ResolvedSource[]
  readonly validation?: readonly ResolvedSource[]
  readonly test: readonly ResolvedSource[]
}

export interface ResolvedSource {
  /** Its place in the config, e.g. `data.train`, and of several its name, as messages show it. */
  readonly title: string
  readonly name: string
  /** Absolute. */
  readonly path: string
  readonly limit?: number
  readonly weight?: number
  readonly columns?: Readonly<Record<string, string>>
  readonly onInvalid?: DataSource['onInvalid']
  readonly reader: DatasetReader
}

export interface ResolvedVariant {
  readonly name: string
  readonly config: AlignVariant
  /** The weighted sum, L_VFT among it. */
  readonly terms: readonly ResolvedTerm[]
}

export interface ResolvedTerm extends WeightedLoss {
  readonly identity: Identity
  readonly code: CodeIdentity
}

export interface ResolvedBackend {
  /** As the config names it: `auto`, `onnx`. */
  readonly name: string
  /** What may be used, best first: the one that is named, or all that take the given options. */
  readonly candidates: readonly BackendCandidate[]
}

export interface BackendCandidate extends Made<Backend> {
  /** Options of `Backend.open` among its options. */
  readonly open: OpenOptions
}

/**
 * Makes everything the config names, from the registry. Every option is checked with the schema of its plugin.
 * @throws PlumbError PLUMB_UNKNOWN_LOSS and its like, PLUMB_CONFIG_UNKNOWN_KEY, PLUMB_CONFIG_INVALID, PLUMB_CONFIG_ENV: all problems
 *   together, each with its line; PLUMB_PLUGIN_FAILED where a plugin's factory throws.
 */
export function resolveConfig(loaded: LoadedConfig, registry: PluginRegistry, { logger }: { logger?: Logger } = {}): ResolvedConfig {
  const { config, folder } = loaded
  const context = registry.openRun({ folder: config.run, configFolder: folder, seed: config.seed, logger })
  const maker = new Maker(loaded.source, registry, context)
  const sampler = maker.make('sampler', named(config.sample.sampler, ['sample', 'sampler']))
  const labeler = maker.make('labeler', named(config.label, ['label']))
  const resolved = {
    config,
    data: resolveData(config, maker),
    sampler,
    labeler,
    judge: sampler && labeler && resolveJudge(config, sampler, labeler, maker),
    variants: config.align.map((variant, index) => ({
      name: variant.name,
      config: variant,
      terms: resolveTerms(variant.losses, index, maker),
    })),
    backend: resolveBackend(config.backend, maker, registry),
    reporters: config.reporters.flatMap((chosen, index) => maker.make('reporter', named(chosen, ['reporters', index])) ?? []),
    context,
  }
  if (sampler && labeler) checkCandidates(loaded, sampler, labeler.made, maker)
  if (maker.problems.length > 0) throw new ConfigError(maker.problems)
  // Without a problem every part was made.
  return resolved as ResolvedConfig
}

/** Whether what the config says of sampling and labelling fits to where candidates come from. */
function checkCandidates(
  { source, written, config: { rounds } }: LoadedConfig,
  sampler: Made<CandidateSource>,
  labeler: Labeler,
  maker: Maker,
): void {
  const report = (path: KeyPath, message: string) => {
    maker.problems.push({ code: 'PLUMB_CONFIG_INVALID', where: source.where(path), message })
  }
  if (!isGiven(sampler.made)) {
    if (!labeler.needsGiven) return
    report(
      ['label'],
      `label "${labeler.name}" knows the candidates of the data file only; it needs a sampler that takes those, as sample.sampler "dataset".`,
    )
    return
  }
  if (rounds > 1) {
    const message = `rounds is ${rounds}, and the sampler "${sampler.name}" takes candidates that are given, the same ones in every round; leave rounds out.`
    report(['rounds'], message)
  }
  const { sample = {} } = written as { readonly sample?: object }
  for (const key of Object.keys(sample)) {
    if (key === 'sampler') continue
    const path = ['sample', key]
    const takes = sampler.name === 'dataset' ? 'the candidates that the data file gives' : 'candidates that are given'
    report(path, `${source.shown(path)} says how to sample, and the sampler "${sampler.name}" takes ${takes}; leave it out.`)
  }
}

function resolveJudge({ evaluate }: Config, sampler: Made<CandidateSource>, labeler: Made<Labeler>, maker: Maker): Judge | undefined {
  if (evaluate.label !== undefined) {
    const judge = maker.make('labeler', named(evaluate.label, ['evaluate', 'label']))
    if (judge === undefined || judge.made.feedback === 'binary') return judge && { ...judge, asked: 'all' }
    maker.report(['evaluate', 'label'], `must be a labeler that tells right from wrong, and "${judge.name}" only ranks.`)
    return undefined
  }
  if (labeler.made.feedback === 'binary') return { ...labeler, asked: isGiven(sampler.made) ? 'answered' : 'all' }
  const answer = maker.make('labeler', { name: 'answer', options: {}, path: ['label'] })
  return answer && { ...answer, asked: 'answered' }
}

function resolveData({ data }: Config, maker: Maker): Partial<ResolvedData> {
  const resolve = (key: DataKey): ResolvedSource[] | undefined => {
    const written = data[key]
    if (written === undefined) return undefined
    const sources = sourcesOf(written, ['data', key])
    const made = sources.flatMap(
      ({ source, path }) => resolveSource(source, path, sources.length === 1 ? `data.${key}` : undefined, maker) ?? [],
    )
    return made.length === sources.length ? made : undefined
  }
  const train = resolve('train')
  return { train, questions: data.questions ? resolve('questions') : train, validation: resolve('validation'), test: resolve('test') }
}

function resolveSource(source: DataSource, at: KeyPath, alone: string | undefined, maker: Maker): ResolvedSource | undefined {
  const { path, format, limit, name: given, weight, columns, onInvalid, ...options } = source
  const made = maker.make('dataset', { name: format, options, path: at, nameKey: 'format', alsoKnown: SOURCE_KEYS })
  if (made === undefined) return undefined
  const reader = made.made
  const name = nameOfSource({ name: given, path })
  if (reader.fields === undefined) {
    const unknown = `is not possible: the reader of format "${format}" does not take it.`
    if (columns !== undefined) maker.report([...at, 'columns'], unknown)
    if (onInvalid === 'skip') maker.report([...at, 'onInvalid'], unknown)
  } else
    for (const field of Object.keys(columns ?? {}))
      if (!reader.fields.includes(field)) maker.unknown([...at, 'columns', field], `a field of format "${format}"`, reader.fields)
  return { title: alone ?? `data.${String(at[1])}.${name}`, name, path, limit, weight, columns, onInvalid, reader }
}

const SOURCE_KEYS = Object.keys(dataSourceSchema.shape)

function resolveTerms(losses: AlignVariant['losses'], index: number, maker: Maker): ResolvedTerm[] {
  return losses.flatMap(({ loss: name, weight, ...options }, position): ResolvedTerm[] => {
    const path = ['align', index, 'losses', position]
    if (name === REFERENCE_LIKELIHOOD) {
      maker.check(z.strictObject({}), options, path, 'loss "sft"', VARIANT_KEYS)
      return [{ name, weight, loss: new ReferenceLikelihood(), identity: { name }, code: {} }]
    }
    const made = maker.make('loss', { name, options, path, nameKey: 'loss', alsoKnown: [...VARIANT_KEYS, 'weight'] })
    return made === undefined ? [] : [{ name, weight, loss: made.made, identity: made.identity, code: made.code }]
  })
}

const OPEN_OPTIONS = {
  device: z.string(),
  threads: z.int().min(1),
  microBatchTokens: z.int().min(1),
  activationMemory: z.enum(['keep', 'recompute']),
}

/** Those of a backend's options that `Backend.open` takes too, each where it is of the type that it takes. */
function openOptions(options: Options): OpenOptions {
  const entries = Object.entries(OPEN_OPTIONS).flatMap(([key, schema]) => {
    const { success, data } = schema.safeParse(options[key])
    return success ? [[key, data] as const] : []
  })
  return Object.fromEntries(entries)
}

function resolveBackend(chosen: Config['backend'], maker: Maker, registry: PluginRegistry): ResolvedBackend {
  const { name, options } = named(chosen, [])
  const candidate = (made: Made<Backend> | undefined): BackendCandidate[] => (made ? [{ ...made, open: openOptions(made.options) }] : [])
  if (name !== 'auto') return { name, candidates: candidate(maker.make('backend', named(chosen, ['backend']))) }
  const before = maker.problems.length
  const candidates = registry
    .names('backend')
    .flatMap((each) => candidate(maker.make('backend', { ...named({ ...options, name: each }, ['backend']) })))
  // Options that one backend takes and another does not are no mistake: the other is left out.
  if (candidates.length > 0) maker.problems.splice(before)
  return { name, candidates }
}
