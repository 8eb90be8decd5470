import type { Token } from '../seams/plugin'
import type { RandomStreams } from '../util/random'

/** Where plugins and core write what a person may want to read. Never the place for results. */
export interface Logger {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
}

/** What a factory may know of the run it is made for. */
export interface RunInfo {
  /** The run folder, absolute. */
  readonly folder: string
  /** The folder that relative paths of the config start from, absolute. */
  readonly configFolder: string
  readonly seed: number
}

function token<T>(name: string): Token<T> {
  return { symbol: Symbol.for(`plumbline:${name}`) }
}

/** What a factory can ask its context for, e.g. `context.get(TOKENS.logger)`. */
export const TOKENS = {
  logger: token<Logger>('logger'),
  run: token<RunInfo>('run'),
  seed: token<number>('seed'),
  /** Streams derived from the run's seed. */
  random: token<RandomStreams>('random'),
} as const
