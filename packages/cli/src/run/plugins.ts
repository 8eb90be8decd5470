import { join } from 'node:path'
import type { Config as OclifConfig, Interfaces } from '@oclif/core'
import { createRegistry, isPlumbError, loadPlugins, type Plugin, type PluginRegistry } from '@plumbline/core'

/** The folder that packages are resolved from where the config's own does not have them: this one. */
const PACKAGE_ROOT = join(__dirname, '..', '..')

export interface LoadedPlugins {
  readonly registry: PluginRegistry
  /** Packages of `plumb plugins install` and `link` that are Plumbline plugins. */
  readonly installed: readonly InstalledPlugin[]
  /** What could not be used, and why; an installed package is no reason to stop a run that may not need it. */
  readonly warnings: readonly string[]
}

export interface InstalledPlugin {
  readonly package: string
  readonly version: string
  readonly plugin: Plugin
}

/** Plugins of this repository. Each loads what is heavy when it is first used, not here. */
async function builtIns(): Promise<Plugin[]> {
  const modules = await Promise.all([
    import('@plumbline/backend-onnx'),
    import('@plumbline/backend-gpu'),
    import('@plumbline/plugin-ca-loss'),
    import('@plumbline/plugin-rrhf'),
    import('@plumbline/plugin-pro'),
    import('@plumbline/plugin-dpo'),
    import('@plumbline/plugin-rft'),
    import('@plumbline/labeler-math'),
  ])
  return modules.map(defaultExport)
}

/** The default export of a CommonJS module that was compiled from ES syntax, as `import()` shows it. */
function defaultExport(module: { readonly default: unknown }): Plugin {
  const outer = module.default as Plugin | { readonly default: Plugin }
  return 'default' in outer ? outer.default : outer
}

/**
 * Everything a run can choose from: the plugins that the config lists, the built-in ones, and the packages that
 * `plumb plugins` installed or linked.
 *
 * @throws PlumbError PLUMB_PLUGIN_… for a listed plugin that cannot be loaded, or a name that two plugins register.
 */
export async function loadAllPlugins(listed: readonly string[], from: string, oclif: OclifConfig): Promise<LoadedPlugins> {
  const plugins = await loadPlugins(listed, { from, fallback: [PACKAGE_ROOT], extra: await builtIns() })
  const registry = createRegistry(plugins)
  const installed: InstalledPlugin[] = []
  const warnings: string[] = []
  for (const candidate of oclif.getPluginsList().filter(({ type }) => type === 'user' || type === 'link')) {
    const plugin = await loadInstalled(candidate, warnings)
    if (plugin === undefined) continue
    registry.use(plugin)
    installed.push({ package: candidate.name, version: candidate.version, plugin })
  }
  return { registry, installed, warnings }
}

async function loadInstalled({ name, root, commands, hooks }: Interfaces.Plugin, warnings: string[]): Promise<Plugin | undefined> {
  try {
    const [plugin] = await loadPlugins([root], { from: root })
    return plugin
  } catch (error) {
    if (!isPlumbError(error)) throw error
    // A package that adds commands or hooks to `plumb` need not be a Plumbline plugin as well.
    const isOclifOnly = error.code !== 'PLUMB_PLUGIN_LOAD' && (commands.length > 0 || Object.keys(hooks).length > 0)
    if (!isOclifOnly) warnings.push(`The installed plugin ${name} cannot be used: ${error.message}`)
    return undefined
  }
}
