import 'reflect-metadata'
import { container as rootContainer, type DependencyContainer } from 'tsyringe'
import type { z } from 'zod'
import { PlumbError } from '../errors'
import { PLUGIN_API_VERSION, type Factory, type FactoryContext, type Plugin, type Registry, type Token } from '../seams/plugin'
import { KIND_TITLES, UNKNOWN_CODES, type Pluggable, type PluginKind } from './kinds'
import { corePlugin } from './core-plugin'
import { guardedCall } from './guard'
import { randomStreams } from '../util/random'
import { suggestion } from '../util/suggest'
import { TOKENS, type Logger, type RunInfo } from './tokens'
import { isPlugin, unwrapped, type PluginModule } from './unwrap'

/** A factory as it lies in the registry: which plugin brought it, under which name. */
export interface Registered<K extends PluginKind = PluginKind> {
  readonly kind: K
  readonly name: string
  /** The plugin that registered it, with its version where that is known: `plumbline-plugin-margin 1.2.0`. */
  readonly plugin: string
  /** The plugin's name → what its code is known by. */
  readonly code: Readonly<Record<string, string>>
  readonly factory: Factory<z.ZodType, Pluggable[K]>
}

/** What a run gives its plugins; see {@link TOKENS}. */
export interface RunServices extends RunInfo {
  readonly logger?: Logger
}

/** A run's container as factories see it; dispose it when the run ends. */
export interface RunContext extends FactoryContext {
  dispose(): Promise<void>
}

/**
 * The plugins of one process: everything they registered, by kind and name, in a tsyringe container of its own.
 * Core's own readers, labeler and sampler are registered first.
 */
export interface PluginRegistry extends Registry {
  /**
   * Registers a plugin, or, where it fails, nothing of it. False, and nothing happens, when a plugin of the same name is there already: the first one wins.
   * @throws PlumbError PLUMB_PLUGIN_API_VERSION, PLUMB_PLUGIN_DUPLICATE (a name of one kind, registered by two plugins).
   */
  use(plugin: Plugin): boolean
  /** Names of the plugins in use, in the order of their registration. */
  readonly plugins: readonly string[]
  /** Registered names of a kind, in the order of their registration. */
  names(kind: PluginKind): readonly string[]
  /** @throws PlumbError PLUMB_UNKNOWN_LOSS and its like, with a did-you-mean or the known names. */
  find<K extends PluginKind>(kind: K, name: string, where?: string): Registered<K>
  /** A child container for one run. */
  openRun(services: RunServices): RunContext
}

/**
 * A registry holding core's own things and then `plugins`, in order: each a plugin, or a module that has one as its default export.
 * @throws PlumbError PLUMB_PLUGIN_INVALID (neither of the two), and what {@link PluginRegistry.use} throws.
 */
export function createRegistry(plugins: readonly PluginModule[] = []): PluginRegistry {
  const registry = new ContainerRegistry()
  for (const [index, given] of [corePlugin, ...plugins].entries()) {
    const plugin: unknown = unwrapped(given)
    if (!isPlugin(plugin)) {
      throw new PlumbError(
        'PLUMB_PLUGIN_INVALID',
        `Plugin ${index} of createRegistry must be a plugin, definePlugin({ name, apiVersion, register }), or a module with one as its default export.`,
      )
    }
    registry.use(plugin)
  }
  return registry
}

const DIRECT = '(direct registration)'

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined }

class ContainerRegistry implements PluginRegistry {
  private readonly container: DependencyContainer = rootContainer.createChildContainer()
  /** What the plugin at work has registered: all of it counts, or, if it fails, nothing. */
  private pending: Registered[] | undefined
  private readonly order: { kind: PluginKind; name: string }[] = []
  readonly plugins: string[] = []
  private registering: { readonly title: string; readonly code: Readonly<Record<string, string>> } = {
    title: DIRECT,
    code: { [DIRECT]: '' },
  }

  use(plugin: Plugin): boolean {
    if (plugin.apiVersion !== PLUGIN_API_VERSION) {
      throw new PlumbError(
        'PLUMB_PLUGIN_API_VERSION',
        `Plugin "${plugin.name}" is written for plugin API ${plugin.apiVersion}; this Plumbline has ${PLUGIN_API_VERSION}. ` +
          (plugin.apiVersion > PLUGIN_API_VERSION ? 'Update Plumbline.' : 'Update the plugin.'),
      )
    }
    if (this.plugins.includes(plugin.name)) return false
    const outer = this.registering
    const { name, version, code = version ?? '' } = plugin
    this.registering = { title: version === undefined ? name : `${name} ${version}`, code: { [name]: code } }
    this.pending = []
    try {
      guardedCall(`plugin "${name}"`, () => {
        plugin.register(this)
      })
      for (const entry of this.pending) this.commit(entry)
    } finally {
      this.registering = outer
      this.pending = undefined
    }
    this.plugins.push(plugin.name)
    return true
  }

  loss<S extends z.ZodType>(name: string, factory: Factory<S, Pluggable['loss']>): void {
    this.add('loss', name, factory)
  }

  sampler<S extends z.ZodType>(name: string, factory: Factory<S, Pluggable['sampler']>): void {
    this.add('sampler', name, factory)
  }

  labeler<S extends z.ZodType>(name: string, factory: Factory<S, Pluggable['labeler']>): void {
    this.add('labeler', name, factory)
  }

  backend<S extends z.ZodType>(name: string, factory: Factory<S, Pluggable['backend']>): void {
    this.add('backend', name, factory)
  }

  dataset<S extends z.ZodType>(name: string, factory: Factory<S, Pluggable['dataset']>): void {
    this.add('dataset', name, factory)
  }

  reporter<S extends z.ZodType>(name: string, factory: Factory<S, Pluggable['reporter']>): void {
    this.add('reporter', name, factory)
  }

  names(kind: PluginKind): readonly string[] {
    return this.order.filter((entry) => entry.kind === kind).map((entry) => entry.name)
  }

  find<K extends PluginKind>(kind: K, name: string, where?: string): Registered<K> {
    const key = factoryKey(kind, name)
    if (this.container.isRegistered(key)) return this.container.resolve<Registered<K>>(key)
    const known = this.names(kind)
    const help = kind === 'loss' ? ['sft', ...known] : kind === 'backend' ? ['auto', ...known] : known
    throw new PlumbError(UNKNOWN_CODES[kind], `There is no ${KIND_TITLES[kind]} "${name}". ${suggestion(name, help)}`, where)
  }

  openRun({ logger = silent, ...run }: RunServices): RunContext {
    const child = this.container.createChildContainer()
    const values: [Token<unknown>, unknown][] = [
      [TOKENS.logger, logger],
      [TOKENS.run, run],
      [TOKENS.seed, run.seed],
      [TOKENS.random, randomStreams(run.seed)],
    ]
    for (const [{ symbol }, useValue] of values) child.register(symbol, { useValue })
    return {
      get: <T>({ symbol }: Token<T>): T => {
        if (child.isRegistered(symbol, true)) return child.resolve<T>(symbol)
        throw new PlumbError(
          'PLUMB_PLUGIN_DEPENDENCY',
          `A plugin asked for "${symbol.description ?? ''}", which this run does not provide.`,
        )
      },
      dispose: async () => {
        await child.dispose()
      },
    }
  }

  private add<K extends PluginKind, S extends z.ZodType>(kind: K, name: string, factory: Factory<S, Pluggable[K]>): void {
    const key = factoryKey(kind, name)
    const reserved = (kind === 'loss' && name === 'sft') || (kind === 'backend' && name === 'auto')
    const known = this.container.isRegistered(key)
      ? this.container.resolve<Registered>(key)
      : this.pending?.find((entry) => entry.kind === kind && entry.name === name)
    if (reserved || known) {
      const holder = known ? `plugin "${known.plugin}"` : 'Plumbline itself'
      throw new PlumbError(
        'PLUMB_PLUGIN_DUPLICATE',
        `Plugin "${this.registering.title}" registers the ${KIND_TITLES[kind]} "${name}", which ${holder} has already.`,
      )
    }
    // What no zod 4 made cannot be asked for its keys: an unknown one would be dropped without a word.
    if (typeof (factory.options as { _zod?: unknown } | undefined)?._zod !== 'object') {
      throw new PlumbError(
        'PLUMB_PLUGIN_INVALID',
        `Plugin "${this.registering.title}" registers the ${KIND_TITLES[kind]} "${name}" with options that are no schema of zod 4; depend on zod ^4.`,
      )
    }
    const { title: plugin, code } = this.registering
    const entry = { kind, name, plugin, code, factory } as unknown as Registered
    if (this.pending) this.pending.push(entry)
    else this.commit(entry)
  }

  private commit(entry: Registered): void {
    const { kind, name } = entry
    this.container.register(factoryKey(kind, name), { useValue: entry })
    this.order.push({ kind, name })
  }
}

function factoryKey(kind: PluginKind, name: string): symbol {
  return Symbol.for(`plumbline:${kind}/${name}`)
}
