import { loadConfig, PlumbError } from '@plumbline/core'

export interface RunsAsked {
  /** Run folders as they were named; the configuration's run where none is. */
  readonly runs: readonly string[]
  readonly configFile?: string
  readonly overrides: readonly string[]
}

/**
 * The run folders that a command is about.
 * @param done what is done with them, as in `is watched`.
 * @throws PlumbError with the code given where a configuration is named as well; those of `loadConfig` where no run is named.
 */
export async function namedRuns(
  { runs, configFile, overrides }: RunsAsked,
  done: string,
  code: PlumbError['code'],
): Promise<readonly string[]> {
  if (runs.length === 0) return [(await loadConfig({ path: configFile, overrides })).config.run]
  if (configFile === undefined && overrides.length === 0) return runs
  throw new PlumbError(code, `RUN names what ${done}; --config and --set would name another run. Leave one of them out.`)
}
