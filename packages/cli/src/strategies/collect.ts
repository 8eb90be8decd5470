import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  isGiven,
  KIND_TITLES,
  suggestion,
  type FactoryContext,
  type LossManifest,
  type PluginKind,
  type PluginRegistry,
} from '@plumbline/core'
import { UserError } from '../errors/user-error'
import { KINDS } from '../plugins/kinds'
import { optionsOf, type OptionReport } from './options'

/** Something that a configuration can name. */
export interface Strategy {
  readonly kind: PluginKind
  readonly name: string
  /** The package that brings it, and its version. */
  readonly plugin: string
  readonly version: string
  readonly options: readonly OptionReport[]
  /** Of a loss, e.g. `arXiv:2309.02144`. */
  readonly paper?: string
  /** What it needs or promises, a sentence each. */
  readonly notes: readonly string[]
}

/** Everything that the plugins registered, by kind. */
export async function collectStrategies(registry: PluginRegistry, version: string): Promise<readonly Strategy[]> {
  const context = registry.openRun({ folder: join(tmpdir(), 'plumbline-strategies'), configFolder: process.cwd(), seed: 0 })
  const sft: Strategy = {
    kind: 'loss',
    name: 'sft',
    plugin: '@plumbline/core',
    version,
    options: [],
    paper: 'arXiv:2309.02144',
    notes: ['the likelihood of the reference chains (L_VFT), beside an alignment loss or alone'],
  }
  const found = KINDS.flatMap((kind) => registry.names(kind).map((name) => strategyOf(registry, context, kind, name)))
  await context.dispose()
  return [sft, ...found]
}

/** @throws UserError PLUMB_STRATEGY_UNKNOWN with a did-you-mean. */
export function named(strategies: readonly Strategy[], name: string): readonly Strategy[] {
  const found = strategies.filter((strategy) => strategy.name === name)
  if (found.length > 0) return found
  const known = [...new Set(strategies.map((strategy) => strategy.name))]
  throw new UserError('PLUMB_STRATEGY_UNKNOWN', `Nothing of this name is installed. ${suggestion(name, known)}`, name)
}

function strategyOf(registry: PluginRegistry, context: FactoryContext, kind: PluginKind, name: string): Strategy {
  const { plugin, factory } = registry.find(kind, name)
  const [packageName = '', version = ''] = plugin.split(' ')
  const facts = factsOf(registry, context, kind, name)
  return { kind, name, plugin: packageName, version, options: optionsOf(factory.options), ...facts }
}

/** What an instance with its defaults says of itself; nothing where it needs options. */
function factsOf(registry: PluginRegistry, context: FactoryContext, kind: PluginKind, name: string): Pick<Strategy, 'paper' | 'notes'> {
  try {
    if (kind === 'loss') return lossFacts(made(registry, context, 'loss', name).manifest)
    if (kind === 'labeler') {
      const { feedback, needsGiven } = made(registry, context, 'labeler', name)
      return {
        notes: [
          feedback === 'binary' ? 'says right or wrong' : 'gives rewards',
          ...(needsGiven ? ['needs candidates that the data gives'] : []),
        ],
      }
    }
    if (kind === 'sampler')
      return { notes: isGiven(made(registry, context, 'sampler', name)) ? ['takes given candidates, samples none'] : [] }
    if (kind === 'dataset') {
      const { fields } = made(registry, context, 'dataset', name)
      return { notes: fields === undefined ? [] : [`fields: ${fields.join(', ')}`] }
    }
    if (kind === 'reporter') return { notes: [] }
    return { notes: made(registry, context, 'backend', name).lora ? ['trains adapters (lora)'] : [] }
  } catch (error) {
    return { notes: [`the ${KIND_TITLES[kind]} cannot be made from defaults alone: ${(error as Error).message.split('\n')[0] ?? ''}`] }
  }
}

function made<K extends PluginKind>(registry: PluginRegistry, context: FactoryContext, kind: K, name: string) {
  const { factory } = registry.find(kind, name)
  return factory.create(factory.options.parse({}), context)
}

function lossFacts({ paper, feedback, constraints, needsReference, needsDivergence }: LossManifest): Pick<Strategy, 'paper' | 'notes'> {
  const reads = { binary: 'reads right and wrong', ranked: 'reads rewards', either: 'reads right and wrong, or rewards' }[feedback]
  return {
    ...(paper === '' ? {} : { paper }),
    notes: [
      reads,
      ...(constraints.length > 1 ? [`constraints: ${constraints.join(', ')}`] : []),
      ...(needsReference ? ['compares with a frozen reference policy'] : []),
      ...(needsDivergence ? ['measures the divergence from it at every step'] : []),
    ],
  }
}
