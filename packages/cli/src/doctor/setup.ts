import type { Config as OclifConfig } from '@oclif/core'
import {
  chooseEngine,
  isPlumbError,
  formatError,
  loadConfig,
  memoryReport,
  modelSource,
  resolveConfig,
  type ChosenEngine,
  type LoadedConfig,
  type ModelFacts,
  type ModelSource,
  type PluginRegistry,
  type ResolvedConfig,
} from '@plumbline/core'
import { printable, shownPath } from '@plumbline/core/base'
import { KIND_PLURALS, KINDS } from '../plugins/kinds'
import { loadAllPlugins } from '../run/plugins'
import type { Check } from './check'
import { costLine, estimate, measure } from './cost'
import { diskCheck, memoryCheck, nodeCheck, onnxRuntimeCheck, optionalPeerChecks } from './machine'
import { surveyData, type Surveys } from './survey'

export interface DoctorOptions {
  readonly configFile?: string
  readonly overrides: readonly string[]
  readonly oclif: OclifConfig
  /** Whether the model is opened to measure how long a run takes; default true. */
  readonly measures?: boolean
}

/** Everything a run depends on, in the order in which a run would meet it. */
export async function examine({ configFile, overrides, oclif, measures = true }: DoctorOptions): Promise<Check[]> {
  const checks: Check[] = [nodeCheck(), memoryCheck(), await onnxRuntimeCheck(), ...optionalPeerChecks()]
  const loaded = await attempt(
    'Config',
    checks,
    () => loadConfig({ path: configFile, overrides, say: (message) => process.stderr.write(`${printable(message)}\n`) }),
    configFile === undefined,
  )
  const folder = loaded?.folder ?? process.cwd()
  checks.push(await diskCheck(loaded?.config.run ?? folder))

  const plugins = await attempt('Plugins', checks, () => loadAllPlugins(loaded?.config.plugins ?? [], folder, oclif))
  if (plugins === undefined) return checks
  checks.push(
    ...pluginChecks(plugins.registry),
    ...plugins.warnings.map((detail): Check => ({ status: 'warning', name: 'Plugin', detail })),
  )
  checks.push(...(await backendChecks(plugins.registry)))
  if (loaded !== undefined) checks.push(...(await configChecks(loaded, plugins.registry, measures)))
  return checks
}

function pluginChecks(registry: PluginRegistry): Check[] {
  const plugins: Check = { status: 'ok', name: 'Plugins', detail: registry.plugins.join(', ') }
  return [
    plugins,
    ...KINDS.map((kind): Check => ({ status: 'ok', name: KIND_PLURALS[kind], detail: registry.names(kind).join(', ') || 'none' })),
  ]
}

async function backendChecks(registry: PluginRegistry): Promise<Check[]> {
  return Promise.all(
    registry.names('backend').map(async (name): Promise<Check> => {
      try {
        const { factory } = registry.find('backend', name)
        const context = registry.openRun({ folder: process.cwd(), configFolder: process.cwd(), seed: 0 })
        const { usable, device, detail } = await factory.create(factory.options.parse({}), context).probe()
        return { status: usable ? 'ok' : 'missing', name: `Backend ${name}`, detail: usable ? `${device}: ${detail}` : detail }
      } catch (error) {
        return { status: 'error', name: `Backend ${name}`, detail: (error as Error).message }
      }
    }),
  )
}

async function configChecks(loaded: LoadedConfig, registry: PluginRegistry, measures: boolean): Promise<Check[]> {
  const checks: Check[] = []
  const resolved = await attempt('Config', checks, async () => resolveConfig(loaded, registry))
  if (resolved === undefined) return checks
  const chosen = await attempt('Backend', checks, () => chooseEngine(resolved, { purpose: measures ? 'forecast' : 'look' }))
  const source = await attempt('Model', checks, () => modelSource(loaded.config.model))
  const facts = source && chosen && (await attempt('Model', checks, async () => chosen.engine.made.inspect?.(source)))
  const isRefused = checks.some(({ name, status }) => name === 'Model' && status === 'error')
  if (source !== undefined && !isRefused) checks.push(modelCheck(source, facts))
  const looked = facts === undefined ? { checks: await dataChecks(resolved) } : await surveyData(resolved, facts)
  checks.push(...looked.checks)
  const losses = resolved.variants.map(({ name }) => name).join(', ')
  checks.push({ status: 'ok', name: 'Config', detail: `${shownPath(loaded.source.file ?? '')} is valid; variants: ${losses}` })
  if (chosen !== undefined) {
    checks.push({ status: 'ok', name: 'Chosen', detail: chosen.notice })
    if (source !== undefined && !isRefused) {
      const fits = await attempt('Memory', checks, async () => {
        const needs = await memoryReport(resolved.config, chosen.engine.made, source)
        const status = needs && ({ yes: 'ok', tight: 'warning', never: 'error' } as const)[needs.fits]
        if (needs && status) checks.push({ status, name: 'Memory', detail: needs.detail })
        return needs?.fits
      })
      const { surveys } = looked as { readonly surveys?: Surveys }
      if (surveys !== undefined && measures && (fits ?? 'yes') === 'yes')
        checks.push(await timeCheck(resolved, chosen.engine, source, surveys))
    }
  }
  await resolved.context.dispose()
  return checks
}

function modelCheck(source: ModelSource, facts: ModelFacts | undefined): Check {
  const known =
    facts === undefined
      ? ''
      : `; a context of ${facts.contextLength} tokens, ${facts.tokenizer.renderChat === undefined ? 'no' : 'a'} chat template`
  return { status: 'ok', name: 'Model', detail: `${describeSource(source)}${known}` }
}

function describeSource(source: ModelSource): string {
  if (source.kind === 'folder') return `a folder ${shownPath(source.path)}`
  if (source.kind === 'scratch') return `random weights, with the tokenizer ${shownPath(source.tokenizer)}`
  const base = source.base.kind === 'folder' ? source.base.path : source.base.tokenizer
  return `the adapter ${shownPath(source.path)} on ${shownPath(base)}`
}

/** How long a run takes, measured; what cannot be measured is no fault of the configuration. */
async function timeCheck(resolved: ResolvedConfig, { made, open }: ChosenEngine, source: ModelSource, surveys: Surveys): Promise<Check> {
  const groups = [...surveys.questions.groups, ...surveys.train.groups].slice(0, 8)
  if (groups.length === 0) return { status: 'missing', name: 'Time', detail: 'not measured: no record has an answer to train on' }
  try {
    const rates = await measure(made, source, open, groups, resolved.config.seed)
    return { status: 'ok', name: 'Time', detail: costLine(estimate(resolved, surveys, rates), rates) }
  } catch (error) {
    return { status: 'warning', name: 'Time', detail: `not measured: ${(error as Error).message}` }
  }
}

/** Reads the first record of every data file: enough to see a wrong path or format. */
async function dataChecks({ data }: ResolvedConfig): Promise<Check[]> {
  const sources = new Set([data.train, data.questions, data.validation ?? [], data.test].flat())
  const checks: Check[] = []
  for (const { title, path, reader, columns, onInvalid } of sources) {
    await attempt('Data', checks, async () => {
      const options = { columns, ...(onInvalid === 'skip' ? { onRefused: () => undefined } : {}) }
      for await (const { id } of reader.read(path, options)) {
        checks.push({ status: 'ok', name: 'Data', detail: `${title}: ${shownPath(path)} as ${reader.name}, the first record is ${id}` })
        return
      }
      checks.push({ status: 'error', name: 'Data', detail: `${title}: ${shownPath(path)} has no record.` })
    })
  }
  return checks
}

/** The user's errors become a line of the report; a bug stays a bug. */
async function attempt<T>(name: string, checks: Check[], work: () => Promise<T>, mayBeAbsent = false): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!isPlumbError(error)) throw error
    const isAbsent = mayBeAbsent && error.code === 'PLUMB_CONFIG_NOT_FOUND'
    checks.push(
      isAbsent
        ? { status: 'missing', name, detail: 'none here; "plumb init" writes one' }
        : { status: 'error', name, detail: formatError(error) },
    )
    return undefined
  }
}
