import { draftProblems } from '../config/draft-problems'
import { loadConfig, parseConfig, type LoadedConfig } from '../config/load'
import { resolveConfig, type ResolvedConfig } from '../config/resolve'
import { ConfigError, type ConfigDraft } from '../config/source'
import { isPlumbError } from '../errors'
import { loadPlugins } from '../plugins/load'
import { createRegistry, type PluginRegistry } from '../plugins/registry'
import { EventLog } from '../run/event-log'
import type { RunEnd, RunEvent, RunFailure, RunReport } from '../seams/run-events'
import { Reporters } from '../run/reporters'
import type { Plugin } from '../seams/plugin'
import { chooseEngine, type EngineChoiceOptions } from './choose-engine'
import type { ChosenEngine } from './context'
import { runPipeline, type StagesToRun } from './pipeline'
import { runSettings } from './run-settings'

/** Which configuration a run is of, and what it may use. */
export interface ConfigOptions {
  /** The config file; looked for from `cwd` upwards when neither this nor `config` is there. */
  readonly path?: string
  /** A config made in memory, in the place of a file; its relative paths start at `cwd`. */
  readonly config?: unknown
  /** The working directory when absent. */
  readonly cwd?: string
  /** `path.to.key=value`, applied in order before validation. */
  readonly overrides?: readonly string[]
  /** Plugins beside those that the config lists: loaded ones, or folders of packages. A listed one of the same name goes before. */
  readonly plugins?: readonly (Plugin | string)[]
  /**
   * All plugins there are, in the place of the listed ones and `plugins`; a function gets what the config lists, and the folder that its
   * paths start from.
   */
  readonly registry?: PluginRegistry | ((listed: readonly string[], folder: string) => Promise<PluginRegistry>)
}

export interface RunConfigOptions extends ConfigOptions, StagesToRun {
  /** Called with everything the run tells while it works. */
  readonly onEvent?: (event: RunEvent) => void
  /** Answered within a micro-batch: what is done is saved, and the run rejects with PLUMB_INTERRUPTED. */
  readonly signal?: AbortSignal
  /** Whether the run folder keeps what the run tells, for `plumb watch` and {@link followEvents}. No when absent. */
  readonly watchable?: boolean
}

/**
 * From a configuration to a report: loads the plugins, validates everything, chooses the backend, and runs the stages. What is done
 * already is reused, what was interrupted goes on.
 *
 * ```ts
 * const report = await runConfig({ path: 'plumbline.config.yaml', plugins: [onnx, ca], overrides: ['seed=2'] })
 * ```
 *
 * @throws PlumbError those of `loadConfig`, `loadPlugins`, `resolveConfig`, `chooseBackend` and `runPipeline`;
 *   PLUMB_ARTIFACT_DAMAGED for a damaged `device.json`. All that is wrong with
 *   the configuration is in one ConfigError.
 */
export async function runConfig(options: RunConfigOptions): Promise<RunReport> {
  const { last, variant, onEvent = () => undefined, signal, watchable = false } = options
  const started = performance.now()
  const log = watchable ? new EventLog((message) => tell(warning(message))) : undefined
  let reporters: Reporters | undefined
  const tell = (event: RunEvent): void => {
    onEvent(event)
    log?.take(event)
    reporters?.take(event)
  }
  // Reports on disk depend on nothing that a reporter does; the one that is given back says what went wrong.
  const warnings: string[] = []
  const warn = (message: string): void => {
    warnings.push(message)
    tell(warning(message))
  }
  const noted = (report: RunReport): RunReport =>
    warnings.length === 0 ? report : { ...report, notices: [...report.notices, ...warnings] }
  const ended = async (end: Omit<RunEnd, 'type' | 'seconds'>): Promise<void> => {
    const event: RunEnd = { type: 'run-end', ...end, seconds: (performance.now() - started) / 1000 }
    // What goes wrong in a reporter now is still said before the end.
    await reporters?.end(event)
    tell(event.report === undefined ? event : { ...event, report: noted(event.report) })
    await log?.close()
  }
  let report: RunReport
  try {
    report = await withEngine(options, tell, { purpose: 'run', signal }, (resolved, backend) => {
      const settings = runSettings(resolved)
      reporters = new Reporters(resolved.reporters, { warn, settings })
      return runPipeline({ resolved, backend, last, variant, onEvent: tell, signal })
    })
  } catch (error) {
    await ended({ outcome: isInterruption(error, signal) ? 'interrupted' : 'failed', error: failureOf(error) })
    throw error
  }
  await ended({ outcome: 'done', report })
  return noted(report)
}

function warning(message: string): RunEvent {
  return { type: 'notice', level: 'warning', message }
}

function isInterruption(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && (error === signal.reason || (isPlumbError(error) && error.code === 'PLUMB_INTERRUPTED'))
}

function failureOf(error: unknown): RunFailure {
  const message = error instanceof Error ? error.message : String(error)
  if (!isPlumbError(error)) return { message }
  return { code: error.code, ...(error.where === undefined ? {} : { where: error.where }), message }
}

/**
 * Lends a resolved configuration, the backend chosen for it, and where the configuration came from. `backend: auto` takes the device that
 * the run folder remembers, if any, and measures none.
 */
export async function withConfig<T>(options: ConfigOptions, onEvent: (event: RunEvent) => void, use: UseConfig<T>): Promise<T> {
  return withEngine(options, onEvent, { purpose: 'look' }, use)
}

export type UseConfig<T> = (resolved: ResolvedConfig, backend: ChosenEngine, loaded: LoadedConfig) => Promise<T>

/** The same for who says what the backend is for. */
export async function withEngine<T>(
  options: ConfigOptions,
  onEvent: (event: RunEvent) => void,
  choice: EngineChoiceOptions,
  use: UseConfig<T>,
): Promise<T> {
  return withResolved(options, onEvent, async (resolved, loaded) => {
    const { engine, said } = await chooseEngine(resolved, choice)
    if (said !== undefined) onEvent({ type: 'notice', level: 'info', message: said })
    return use(resolved, engine, loaded)
  })
}

/**
 * The configuration, once everything that it names is known to be there and every option to be right: no backend is chosen, and no data or model read.
 * @throws PlumbError those of `loadConfig`, `loadPlugins` and `resolveConfig`.
 */
export async function checkConfig(options: ConfigOptions): Promise<LoadedConfig> {
  return withResolved(
    options,
    () => undefined,
    (_, loaded) => Promise.resolve(loaded),
  )
}

async function withResolved<T>(
  options: ConfigOptions,
  onEvent: (event: RunEvent) => void,
  use: (resolved: ResolvedConfig, loaded: LoadedConfig) => Promise<T>,
): Promise<T> {
  const say = (message: string): void => onEvent({ type: 'notice', level: 'info', message })
  const { loaded, registry } = await load(options, say)
  const logger = {
    debug: () => undefined,
    info: say,
    warn: (message: string) => onEvent({ type: 'notice', level: 'warning', message }),
  }
  const resolved = resolveConfig(loaded, registry, { logger })
  try {
    return await use(resolved, loaded)
  } finally {
    await resolved.context.dispose()
  }
}

async function load(options: ConfigOptions, say: (message: string) => void): Promise<{ loaded: LoadedConfig; registry: PluginRegistry }> {
  const { path, config, cwd, overrides } = options
  try {
    const loaded = config === undefined ? await loadConfig({ path, cwd, overrides, say }) : parseConfig(config, { folder: cwd, overrides })
    return { loaded, registry: await registryOf(options, loaded.config.plugins, loaded.folder) }
  } catch (error) {
    if (!(error instanceof ConfigError) || error.draft === undefined) throw error
    throw new ConfigError([...error.problems, ...(await furtherProblems(options, error.draft))])
  }
}

/** What else is wrong with a config, where its plugins can be loaded all the same. */
async function furtherProblems(options: ConfigOptions, draft: ConfigDraft): Promise<ReturnType<typeof draftProblems>> {
  const { plugins = [] } = (draft.written ?? {}) as { readonly plugins?: unknown }
  if (!Array.isArray(plugins) || !plugins.every((specifier) => typeof specifier === 'string')) return []
  try {
    return draftProblems(draft, await registryOf(options, plugins, draft.folder))
  } catch (error) {
    if (isPlumbError(error)) return []
    throw error
  }
}

async function registryOf({ registry, plugins = [] }: ConfigOptions, listed: readonly string[], folder: string): Promise<PluginRegistry> {
  if (typeof registry === 'function') return registry(listed, folder)
  return registry ?? createRegistry(await loadPlugins(listed, { from: folder, extra: plugins }))
}
