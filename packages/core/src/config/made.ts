import type { z } from 'zod'
import { isPlumbError, PlumbError } from '../errors'
import { guarded, guardedCall } from '../plugins/guard'
import { KIND_TITLES, type Pluggable, type PluginKind } from '../plugins/kinds'
import type { PluginRegistry, Registered } from '../plugins/registry'
import { TOKENS } from '../plugins/tokens'
import type { FactoryContext } from '../seams/plugin'
import { expanded, missingVariable } from './environment'
import { recordedOptions, type CodeIdentity, type Identity } from './identity'
import { suggestion } from '../util/suggest'
import { check, type Checked } from './issues'
import type { ConfigPlaces } from './load'
import type { KeyPath, Problem } from './source'

/** Something that a plugin made as the config says, and what it is known by in the keys of artifacts. */
export interface Made<T> {
  /** As it is registered. */
  readonly name: string
  readonly made: T
  readonly identity: Identity
  readonly code: CodeIdentity
  /** Its options, defaults and the environment filled in. */
  readonly options: Options
}

export type Options = Readonly<Record<string, unknown>>

/** A thing that a config names, and where. */
export interface Named {
  readonly name: string
  /** As they stand in the config. */
  readonly options: Options
  readonly path: KeyPath
  /** The key that names it, for the place of an unknown name; the path itself when absent. */
  readonly nameKey?: string
  /** Keys that would be right beside its options, to be suggested too. */
  readonly alsoKnown?: readonly string[]
}

/** Checks names and options against the registry, makes what is right, and collects what is wrong. */
export class Maker {
  readonly problems: Problem[] = []

  constructor(
    private readonly places: ConfigPlaces,
    private readonly registry: PluginRegistry,
    /** Nothing is made without one, only checked. */
    private readonly context?: FactoryContext,
  ) {}

  make<K extends PluginKind>(kind: K, named: Named): Made<Pluggable[K]> | undefined {
    const { name, options, path, nameKey, alsoKnown } = named
    let found: Registered<K>
    try {
      found = this.registry.find(kind, name, this.places.where(nameKey === undefined ? path : [...path, nameKey]))
    } catch (error) {
      if (!isPlumbError(error)) throw error
      this.problems.push(error)
      return undefined
    }
    const { factory, code, plugin } = found
    const checked = this.check(factory.options, options, path, `${kind === 'dataset' ? 'format' : kind} "${name}"`, alsoKnown)
    if (checked === undefined || this.context === undefined) return undefined
    const what = `${KIND_TITLES[kind]} "${name}" of plugin "${plugin}"`
    const watched = watch(this.context)
    const raw = guardedCall(what, () => factory.create(checked.value, watched.context))
    requireMembers(kind, raw, what)
    // Engines keep their own kind of failure; what core brings is core's.
    const isOwn = kind === 'backend' || '@plumbline/core' in code
    const made = isOwn ? raw : guarded<Pluggable[K]>(raw, what)
    const recorded = recordedOptions(factory.options, options, checked.value)
    const seed = watched.seed()
    const identity = { name, ...(recorded ? { options: recorded } : {}), ...(seed === undefined ? {} : { seed }) }
    return { name, made, identity, code, options: (checked.value ?? {}) as Options }
  }

  report(path: KeyPath, rule: string): void {
    this.problems.push({ code: 'PLUMB_CONFIG_INVALID', where: this.places.where(path), message: `${this.places.shown(path)} ${rule}` })
  }

  /** A key that is not one of those there are. */
  unknown(path: KeyPath, noun: string, known: readonly string[]): void {
    const message = `${this.places.shown(path)} is not ${noun}. ${suggestion(String(path.at(-1)), known)}`
    this.problems.push({ code: 'PLUMB_CONFIG_UNKNOWN_KEY', where: this.places.where(path), message })
  }

  /** Options by their schema, the environment filled in; undefined, and the problems are noted, where they do not fit. */
  check<S extends z.ZodType>(
    schema: S,
    options: Options,
    path: KeyPath,
    owner: string,
    alsoKnown?: readonly string[],
  ): Extract<Checked<z.output<S>>, { problems?: undefined }> | undefined {
    const { shown, where } = this.places
    const before = this.problems.length
    const filled = expanded(options, (keys, variable) => {
      const at = [...path, ...keys]
      this.problems.push(missingVariable(variable, shown(at), where(at)))
    })
    if (this.problems.length > before) return undefined
    const checked = check(schema, filled, {
      shown: (keys) => shown([...path, ...keys]),
      where: (keys) => where([...path, ...keys]),
      noun: `an option of ${owner}`,
      alsoKnown,
      written: options,
    })
    if (!checked.problems) return checked
    this.problems.push(...checked.problems)
    return undefined
  }
}

/** A thing named by a string, or by `name` with its options beside it. */
export function named(chosen: string | ({ name: string } & Options), path: KeyPath): Named {
  if (typeof chosen === 'string') return { name: chosen, options: {}, path }
  const { name, ...options } = chosen
  return { name, options, path, nameKey: 'name', alsoKnown: ['name'] }
}

/** What the stages ask a thing for; what lacks it would fail later, as if it were our fault. */
const MEMBERS: Readonly<Record<PluginKind, Readonly<Record<string, 'function' | 'object' | 'string'>>>> = {
  loss: { manifest: 'object', loss: 'function' },
  sampler: {},
  labeler: { feedback: 'string', label: 'function' },
  backend: { probe: 'function', open: 'function' },
  dataset: { read: 'function' },
  reporter: { event: 'function' },
}

/** @throws PlumbError PLUMB_PLUGIN_INVALID for what is not of its kind. */
function requireMembers(kind: PluginKind, thing: unknown, what: string): void {
  const found = (typeof thing === 'object' && thing !== null ? thing : {}) as Readonly<Record<string, unknown>>
  for (const [member, type] of Object.entries(MEMBERS[kind])) {
    if (typeof found[member] === type && found[member] !== null) continue
    throw new PlumbError(
      'PLUMB_PLUGIN_INVALID',
      `The ${what} has no ${member}${type === 'function' ? '()' : ''}; docs/plugins.md shows one.`,
    )
  }
}

/** Notes whether a factory asks for what depends on the seed. */
function watch(context: FactoryContext): { context: FactoryContext; seed(): number | undefined } {
  let asked = false
  const depends = new Set([TOKENS.seed.symbol, TOKENS.random.symbol, TOKENS.run.symbol])
  return {
    context: {
      get: (token) => {
        if (depends.has(token.symbol)) asked = true
        return context.get(token)
      },
    },
    seed: () => (asked ? context.get(TOKENS.seed) : undefined),
  }
}
