import { stat } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { PlumbError } from '../errors'
import type { Plugin } from '../seams/plugin'
import { codeIdentity } from './code-identity'
import { importModule } from './import-module'
import { packageVersion } from './package-manifest'
import { packageFolder, resolveModule } from './resolve-module'
import { shareModules } from './shared-modules'
import { withoutEnd } from '../util/without-end'
import { isPlugin, unwrapped, type PluginModule } from './unwrap'

export interface LoadPluginsOptions {
  /** The folder that paths and packages are resolved from: the config file's. */
  readonly from: string
  /** Folders to resolve a package from where `from` does not have it, e.g. the command line's own. */
  readonly fallback?: readonly string[]
  /** Plugins that are used without being listed: loaded ones (built-ins), or folders of installed packages. */
  readonly extra?: readonly (PluginModule | string)[]
}

/**
 * Loads the listed plugins, then the extra ones, in order; register them with `createRegistry(await loadPlugins(…))`. A listed
 * plugin takes the place of a built-in of the same name.
 *
 * @param specifiers - package names, paths starting with `.`, absolute paths or file URLs; CommonJS, ES modules and TypeScript alike.
 * @throws PlumbError PLUMB_PLUGIN_NOT_FOUND, PLUMB_PLUGIN_LOAD (its code threw), PLUMB_PLUGIN_INVALID (its default export is no plugin),
 *   PLUMB_PLUGIN_CHANGED (its files are not those that this process loaded before).
 */
export async function loadPlugins(specifiers: readonly string[], options: LoadPluginsOptions): Promise<Plugin[]> {
  const plugins: Plugin[] = []
  for (const specifier of specifiers) plugins.push(await loadPlugin(specifier, [options.from, ...(options.fallback ?? [])]))
  for (const extra of options.extra ?? [])
    plugins.push(typeof extra === 'string' ? await loadPlugin(extra, [options.from]) : unwrapped(extra))
  return plugins
}

async function loadPlugin(specifier: string, folders: readonly string[]): Promise<Plugin> {
  const file = await findModule(specifier, folders)
  const code = codeOf(file, specifier)
  shareModules()
  let loaded: unknown
  try {
    loaded = await importModule(file)
  } catch (error) {
    throw new PlumbError(
      'PLUMB_PLUGIN_LOAD',
      `Plugin "${specifier}" failed while it was loaded: ${withoutEnd((error as Error).message, '. \n')}.`,
      file,
      {
        cause: error,
      },
    )
  }
  const plugin = pluginOf(loaded, specifier, file)
  const { name, apiVersion, version = packageVersion(file) } = plugin
  return {
    name,
    apiVersion,
    version,
    code,
    register: (registry) => {
      plugin.register(registry)
    },
  }
}

/** The code of every module this process has loaded as a plugin: Node keeps a module as it was when it was loaded first. */
const loadedCode = new Map<string, string | undefined>()

/** @throws PlumbError PLUMB_PLUGIN_CHANGED where the files are not those that this process loaded, and would be taken for them. */
function codeOf(file: string, specifier: string): string | undefined {
  const code = codeIdentity(file)
  if (loadedCode.has(file) && loadedCode.get(file) !== code) {
    const message = `The code of plugin "${specifier}" has changed since this process loaded it, and Node keeps the old one; start a new process.`
    throw new PlumbError('PLUMB_PLUGIN_CHANGED', message, file)
  }
  loadedCode.set(file, code)
  return code
}

async function findModule(specifier: string, folders: readonly string[]): Promise<string> {
  const isPath = /^(\.{1,2}([/\\]|$)|file:)/.test(specifier) || path.isAbsolute(specifier)
  const target = specifier.startsWith('file:') ? fileURLToPath(specifier) : specifier
  for (const folder of isPath ? folders.slice(0, 1) : folders) {
    const file = resolveModule(isPath ? path.resolve(folder, target) : target, folder)
    if (file !== undefined) return file
  }
  if (isPath) {
    const full = path.resolve(folders[0]!, target)
    const there = await stat(full).then(
      () => true,
      () => false,
    )
    const message = there ? 'has no entry point (main or exports in its package.json, or index.js). Is it built?' : 'does not exist.'
    throw new PlumbError('PLUMB_PLUGIN_NOT_FOUND', `Plugin "${specifier}" ${message}`, full)
  }
  const unbuilt = folders.map((folder) => packageFolder(specifier, folder)).find((found) => found !== undefined)
  if (unbuilt !== undefined) {
    const message = `Plugin "${specifier}" is installed, but its package has no entry point (main or exports in its package.json, or index.js). Is it built?`
    throw new PlumbError('PLUMB_PLUGIN_NOT_FOUND', message, unbuilt)
  }
  throw new PlumbError(
    'PLUMB_PLUGIN_NOT_FOUND',
    `Plugin "${specifier}" is not installed. Install it beside the config (npm install ${specifier}) or for the command line (plumb plugins install ${specifier}).`,
    folders[0],
  )
}

/** The default export, however the module system wrapped it. */
function pluginOf(loaded: unknown, specifier: string, file: string): Plugin {
  const candidate = unwrapped(loaded)
  if (isPlugin(candidate)) return candidate
  throw new PlumbError(
    'PLUMB_PLUGIN_INVALID',
    `The default export of "${specifier}" must be a plugin, definePlugin({ name, apiVersion, register }), but ${describe(loaded)}.`,
    file,
  )
}

function describe(loaded: unknown): string {
  const module = typeof loaded === 'object' && loaded !== null ? (loaded as Readonly<Record<string, unknown>>) : {}
  const found = 'default' in module ? module.default : loaded
  if (typeof found === 'function') return 'is a function'
  if (typeof found !== 'object' || found === null) return found === undefined ? 'there is none' : `is ${JSON.stringify(found)}`
  const keys = Object.keys(found).filter((key) => key !== '__esModule')
  if (found === loaded) return keys.length === 0 ? 'the module exports nothing' : `the module only exports ${keys.join(', ')}`
  const wrong = ['name', 'apiVersion', 'register'].filter((key) => !keys.includes(key))
  return wrong.length === 0 ? 'its name, apiVersion or register has the wrong type' : `it has no ${wrong.join(', ')}`
}
