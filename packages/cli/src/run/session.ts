import type { Config as OclifConfig } from '@oclif/core'
import { chooseBackend, loadConfig, resolveConfig, runPipeline, type RunEvent, type RunReport, type StageName } from '@plumbline/core'
import { dependenciesOf } from './dependencies'
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

/** From a config file to a report: loads the plugins, validates everything, chooses the backend, and runs the stages. */
export async function runSession({ configFile, overrides, last, variant, oclif, signal, onEvent }: SessionOptions): Promise<RunReport> {
  const say = (message: string) => onEvent({ type: 'notice', level: 'info', message })
  const loaded = await loadConfig({ path: configFile, overrides, say })
  const { registry, warnings } = await loadAllPlugins(loaded.config.plugins, loaded.folder, oclif)
  for (const message of warnings) onEvent({ type: 'notice', level: 'warning', message })
  const logger = {
    debug: () => undefined,
    info: (message: string) => onEvent({ type: 'notice', level: 'info', message }),
    warn: (message: string) => onEvent({ type: 'notice', level: 'warning', message }),
  }
  const resolved = resolveConfig(loaded, registry, { logger })
  try {
    const { backend, notice } = await chooseBackend(resolved.backend.candidates)
    if (resolved.backend.name === 'auto') onEvent({ type: 'notice', level: 'info', message: notice })
    const codeVersion = [`plumbline ${oclif.version}`, ...resolved.plugins].join(', ')
    const dependencies = dependenciesOf(resolved, backend, codeVersion)
    return await runPipeline({ config: loaded.config, dependencies, last, variant, onEvent, signal })
  } finally {
    await resolved.context.dispose()
  }
}
