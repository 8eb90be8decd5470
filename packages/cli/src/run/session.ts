import type { Config as OclifConfig } from '@oclif/core'
import { runConfig, type RunEvent, type RunReport, type StageName } from '@plumbline/core'
import { loadAllPlugins } from './plugins'

export interface SessionOptions {
  readonly configFile?: string
  /** `path.to.key=value`. */
  readonly overrides: readonly string[]
  /** The last stage to run. */
  readonly last: StageName
  /** Of `align`, only this variant. */
  readonly variant?: string
  /** Knows which plugins were installed. */
  readonly oclif: OclifConfig
  readonly signal: AbortSignal
  onEvent(event: RunEvent): void
}

/** A run with the plugins of this repository and those that were installed for the command line. */
export async function runSession({ configFile, oclif, ...options }: SessionOptions): Promise<RunReport> {
  return runConfig({
    ...options,
    watchable: true,
    path: configFile,
    registry: async (listed, folder) => {
      const { registry, warnings } = await loadAllPlugins(listed, folder, oclif)
      for (const message of warnings) options.onEvent({ type: 'notice', level: 'warning', message })
      return registry
    },
  })
}
