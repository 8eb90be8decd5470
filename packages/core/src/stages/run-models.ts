import path from 'node:path'
import type { ResolvedConfig } from '../config/resolve'
import { isPlumbError, PlumbError } from '../errors'
import type { RunEvent } from '../seams/run-events'
import { modelsOfRounds } from '../run/round-name'
import { RunStore } from '../run/store'
import { isFolder } from '../util/atomic'
import { suggestion } from '../util/suggest'
import { baseModel } from './base-model'
import { NotDone, StageContext, type ChosenEngine, type Model } from './context'
import { withRunRead } from './pipeline'
import { VFT_ROW } from './report'
import { withEngine, type ConfigOptions } from './run-config'
import { found, notTrained } from './trained'

export interface ModelsOptions extends ConfigOptions {
  /** Names of models of the run, or model folders; every model of the run when absent. */
  readonly only?: readonly string[]
}

/** A model by the name that it is asked for. */
export interface NamedModel {
  readonly name: string
  readonly model: Model
}

/** Models with what asks them as the run does. */
export interface ChosenModels {
  readonly resolved: ResolvedConfig
  readonly backend: ChosenEngine
  readonly models: readonly NamedModel[]
  /** Models of the run that are not made yet, where all were asked for. */
  readonly missing: readonly string[]
  /** Whether there is no configuration, so that everything is as by default. */
  readonly isBare: boolean
}

/**
 * Finds models without running or writing anything, and lends them: those that a run has made, or any in a folder. A folder needs no configuration.
 * @throws PlumbError PLUMB_NOT_TRAINED where what is asked for is not done with this configuration, PLUMB_UNKNOWN_MODEL, PLUMB_ARTIFACT_CHANGED, those
 *   of `modelSource`, and those of `runConfig` that come before the first stage.
 */
export async function withModels<T>(
  options: ModelsOptions,
  onEvent: (event: RunEvent) => void,
  use: (chosen: ChosenModels) => Promise<T>,
): Promise<T> {
  return withConfigOrBare(options, onEvent, async (resolved, backend, isBare) =>
    use({ resolved, backend, isBare, ...(await choose(resolved, backend, options)) }),
  )
}

/** {@link withEngine}, to ask models; where there is no configuration and only folders are asked for, with one of defaults. */
export async function withConfigOrBare<T>(
  options: ModelsOptions,
  onEvent: (event: RunEvent) => void,
  use: (resolved: ResolvedConfig, backend: ChosenEngine, isBare: boolean) => Promise<T>,
): Promise<T> {
  const { only = [], cwd = process.cwd() } = options
  try {
    return await withEngine(options, onEvent, { purpose: 'ask' }, (resolved, backend) => use(resolved, backend, false))
  } catch (error) {
    const isMissing = options.path === undefined && isPlumbError(error) && error.code === 'PLUMB_CONFIG_NOT_FOUND'
    const areFolders = only.length > 0 && (await Promise.all(only.map((name) => isFolder(path.resolve(cwd, name))))).every(Boolean)
    if (!isMissing || !areFolders) throw error
    const bare = bareConfig(path.resolve(cwd, only[0] ?? ''))
    return withEngine({ ...options, config: bare }, onEvent, { purpose: 'ask' }, (resolved, backend) => use(resolved, backend, true))
  }
}

/** A configuration that trains nothing and reads no data. */
function bareConfig(model: string): object {
  const none = { path: 'none.jsonl' }
  return { model, data: { train: none, test: none }, sft: { steps: 0 }, align: [{ name: 'none', losses: ['sft'], steps: 0 }] }
}

async function choose(
  resolved: ResolvedConfig,
  backend: ChosenEngine,
  { only, cwd = process.cwd() }: ModelsOptions,
): Promise<Pick<ChosenModels, 'models' | 'missing'>> {
  const names = [VFT_ROW, ...modelsOfRounds(resolved.variants, resolved.config.rounds).map(({ name }) => name)]
  const store = RunStore.look(resolved.config.run)
  const ofRun = only === undefined ? names : names.filter((name) => only.includes(name))
  const made = ofRun.length === 0 ? new Map<string, Model>() : await modelsOfRun(resolved, backend, store, ofRun, only !== undefined)
  if (only === undefined) {
    return {
      models: [...made].map(([name, model]) => ({ name, model })),
      missing: names.filter((name) => !made.has(name)),
    }
  }
  const models: NamedModel[] = []
  for (const name of only) {
    const folder = path.resolve(cwd, name)
    const model = made.get(name)
    if (model === undefined && !(await isFolder(folder))) {
      const message = `"${name}" is neither a model of this run nor a model folder. ${suggestion(name, names, 'The run has')}`
      throw new PlumbError('PLUMB_UNKNOWN_MODEL', message)
    }
    models.push({ name, model: model ?? (await baseModel({ model: folder }, backend.made, store.hashes)) })
  }
  return { models, missing: [] }
}

/** @param isAsked whether a model that is not there is an error; else only stage 1 must be. */
async function modelsOfRun(
  resolved: ResolvedConfig,
  backend: ChosenEngine,
  store: RunStore,
  names: readonly string[],
  isAsked: boolean,
): Promise<Map<string, Model>> {
  const aligned = modelsOfRounds(resolved.variants, resolved.config.rounds)
  return withRunRead(resolved, backend, store, async ({ data, base }) => {
    const context = new StageContext(resolved, backend, store, undefined, () => undefined, true)
    const made = new Map<string, Model>()
    for (const name of names) {
      try {
        const { variant, round = 1 } = aligned.find((each) => each.name === name) ?? {}
        made.set(name, (await found(context, data, base, variant, round)).model)
      } catch (error) {
        if (!(error instanceof NotDone)) throw error
        if (isAsked || name === VFT_ROW) throw notTrained(error, resolved.config.run)
      }
    }
    return made
  })
}
