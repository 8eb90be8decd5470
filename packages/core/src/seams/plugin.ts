import type { z } from 'zod'
import type { AlignmentLoss } from './loss'
import type { Backend } from './policy'
import type { DatasetReader } from './dataset'
import type { Labeler } from './labeler'
import type { Reporter } from './reporter'
import type { CandidateSource } from './sampler'

/** The version of this contract; a plugin built for another major version is refused with a clear error. */
export const PLUGIN_API_VERSION = 1

/**
 * A plugin: the default export of an npm package, made with {@link definePlugin}.
 *
 * ```ts
 * export default definePlugin({
 *   name: 'plumbline-plugin-margin',
 *   apiVersion: 1,
 *   register: (registry) => registry.loss('margin', { options: z.strictObject({ margin: z.number().default(0.1) }), create: (o) => new MarginLoss(o) }),
 * })
 * ```
 */
export interface Plugin {
  /** The package's name. */
  readonly name: string
  readonly apiVersion: number
  /** The version in its package.json when absent. */
  readonly version?: string
  /**
   * What its code is known by in the keys of the artifacts that it had a hand in; the version when absent. Loading a plugin sets it:
   * a hash of the files for one that lies outside of `node_modules`, since nobody raises a version while writing a plugin.
   */
  readonly code?: string
  register(registry: Registry): void
}

/** What a plugin can add. Names are unique per kind; a second registration of a name is an error. */
export interface Registry {
  loss<S extends z.ZodType>(name: string, factory: Factory<S, AlignmentLoss>): void
  sampler<S extends z.ZodType>(name: string, factory: Factory<S, CandidateSource>): void
  labeler<S extends z.ZodType>(name: string, factory: Factory<S, Labeler>): void
  backend<S extends z.ZodType>(name: string, factory: Factory<S, Backend>): void
  dataset<S extends z.ZodType>(name: string, factory: Factory<S, DatasetReader>): void
  reporter<S extends z.ZodType>(name: string, factory: Factory<S, Reporter>): void
}

/** A schema for the options as they stand in the config, and how to make the thing from them. */
export interface Factory<S extends z.ZodType, T> {
  /**
   * Validated strictly; unknown keys are errors with a did-you-mean. An option's schema may say, by zod's `meta`:
   * `{ secret: true }`: the value is written down nowhere; `{ affectsResults: false }`: another value does not make finished work be
   * done again. `${env:NAME}` in a value is the environment's, and is written down as it stands.
   */
  readonly options: S
  create(options: z.output<S>, context: FactoryContext): T
}

/** What a factory may ask the run for; resolved from the run's container. */
export interface FactoryContext {
  /** e.g. `context.get(TOKENS.logger)`. */
  get<T>(token: Token<T>): T
}

/** A typed dependency-injection token. Symbols come from `Symbol.for`, so two copies of core agree. */
export interface Token<T> {
  readonly symbol: symbol
  /** Never read; carries the type. */
  readonly type?: T
}

/** Identity with type checking: the one call a plugin author needs. */
export function definePlugin(plugin: Plugin): Plugin {
  return plugin
}
