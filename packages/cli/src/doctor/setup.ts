import type { Config as OclifConfig } from '@oclif/core'
import {
  chooseBackend,
  isPlumbError,
  formatError,
  loadConfig,
  memoryReport,
  modelSource,
  resolveConfig,
  type LoadedConfig,
  type PluginRegistry,
  type PluginKind,
  type ResolvedConfig,
} from '@plumbline/core'
import { printable, shownPath } from '@plumbline/core/base'
import { loadAllPlugins } from '../run/plugins'
import type { Check } from './check'
import { diskCheck, memoryCheck, nodeCheck, onnxRuntimeCheck, optionalPeerChecks } from './machine'

export interface DoctorOptions {
  readonly configFile?: string
  readonly overrides: readonly string[]
  readonly oclif: OclifConfig
}

/** Everything a run depends on, in the order in which a run would meet it. */
export async function examine({ configFile, overrides, oclif }: DoctorOptions): Promise<Check[]> {
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
  if (loaded !== undefined) checks.push(...(await configChecks(loaded, plugins.registry)))
  return checks
}

const KINDS: readonly (readonly [PluginKind, string])[] = [
  ['loss', 'Losses'],
  ['sampler', 'Samplers'],
  ['labeler', 'Labelers'],
  ['backend', 'Backends'],
  ['dataset', 'Data formats'],
]

function pluginChecks(registry: PluginRegistry): Check[] {
  const plugins: Check = { status: 'ok', name: 'Plugins', detail: registry.plugins.join(', ') }
  return [plugins, ...KINDS.map(([kind, name]): Check => ({ status: 'ok', name, detail: registry.names(kind).join(', ') || 'none' }))]
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

async function configChecks(loaded: LoadedConfig, registry: PluginRegistry): Promise<Check[]> {
  const checks: Check[] = []
  const resolved = await attempt('Config', checks, async () => resolveConfig(loaded, registry))
  if (resolved === undefined) return checks
  checks.push(await modelCheck(loaded), ...(await dataChecks(resolved)))
  const losses = resolved.variants.map(({ name }) => name).join(', ')
  checks.push({ status: 'ok', name: 'Config', detail: `${shownPath(loaded.source.file ?? '')} is valid; variants: ${losses}` })
  const chosen = await attempt('Backend', checks, () => chooseBackend(resolved.backend.candidates.map(({ made }) => made)))
  if (chosen !== undefined) {
    checks.push({ status: 'ok', name: 'Chosen', detail: chosen.notice })
    await attempt('Memory', checks, async () => {
      const needs = await memoryReport(resolved.config, chosen.backend, await modelSource(loaded.config.model))
      const status = needs && ({ yes: 'ok', tight: 'warning', never: 'error' } as const)[needs.fits]
      if (needs && status) checks.push({ status, name: 'Memory', detail: needs.detail })
    })
  }
  await resolved.context.dispose()
  return checks
}

async function modelCheck({ config: { model } }: LoadedConfig): Promise<Check> {
  const name = 'Model'
  try {
    const source = await modelSource(model)
    if (source.kind === 'folder') return { status: 'ok', name, detail: `a folder ${shownPath(source.path)}` }
    if (source.kind === 'scratch')
      return { status: 'ok', name, detail: `random weights, with the tokenizer ${shownPath(source.tokenizer)}` }
    const base = source.base.kind === 'folder' ? source.base.path : source.base.tokenizer
    return { status: 'ok', name, detail: `the adapter ${shownPath(source.path)} on ${shownPath(base)}` }
  } catch (error) {
    if (!isPlumbError(error)) throw error
    return { status: 'error', name, detail: formatError(error) }
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
