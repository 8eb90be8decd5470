import { join } from 'node:path'
import type { Config as OclifConfig, Interfaces } from '@oclif/core'
import { createRegistry, isPlumbError, loadPlugins, type Plugin, type PluginRegistry } from '@plumbline/core'

/** The folder that packages are resolved from where the config's own does not have them: this one. */
const PACKAGE_ROOT = join(__dirname, '..', '..')

export interface LoadedPlugins {
  readonly registry: PluginRegistry
  /** What could not be used, and why; an installed package is no reason to stop a run that may not need it. */
  readonly warnings: readonly string[]
}

/** Plugins of this repository. Each loads what is heavy when it is first used, not here. */
export async function builtIns(version: string): Promise<Plugin[]> {
  const modules = await Promise.all([
    import('@plumbline/backend-onnx'),
    import('@plumbline/backend-torch'),
    import('@plumbline/backend-gpu'),
    import('@plumbline/plugin-ca-loss'),
    import('@plumbline/plugin-rrhf'),
    import('@plumbline/plugin-pro'),
    import('@plumbline/plugin-dpo'),
    import('@plumbline/plugin-dpo-listwise'),
    import('@plumbline/plugin-simpo'),
    import('@plumbline/plugin-orpo'),
    import('@plumbline/plugin-kto'),
    import('@plumbline/plugin-rft'),
    import('@plumbline/labeler-math'),
    import('@plumbline/sampler-server'),
    import('@plumbline/reporter-tensorboard'),
  ])
  // All packages of a release have its version.
  return modules.map((module) => ({ version, ...defaultExport(module) }))
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
 * @throws PlumbError PLUMB_PLUGIN_… for a listed plugin that cannot be loaded or used, or that registers a name which is taken.
 */
export async function loadAllPlugins(listed: readonly string[], from: string, oclif: OclifConfig): Promise<LoadedPlugins> {
  const plugins = await loadPlugins(listed, { from, fallback: [PACKAGE_ROOT], extra: await builtIns(oclif.version) })
  const registry = createRegistry(plugins)
  const warnings: string[] = []
  for (const candidate of oclif.getPluginsList().filter(({ type }) => type === 'user' || type === 'link')) {
    const warning = await useInstalled(candidate, registry)
    if (warning !== undefined) warnings.push(warning)
  }
  return { registry, warnings }
}

/** Why an installed package could not be used; undefined where it could, or is no plugin of Plumbline. */
async function useInstalled({ name, root, commands, hooks }: Interfaces.Plugin, registry: PluginRegistry): Promise<string | undefined> {
  try {
    const [plugin] = await loadPlugins([root], { from: root })
    if (plugin) registry.use(plugin)
    return undefined
  } catch (error) {
    if (!isPlumbError(error)) return `The installed plugin ${name} cannot be used: ${(error as Error).message}`
    // A package that adds commands or hooks to `plumb` need not be a Plumbline plugin as well.
    const isOclifOnly =
      ['PLUMB_PLUGIN_NOT_FOUND', 'PLUMB_PLUGIN_INVALID'].includes(error.code) && (commands.length > 0 || Object.keys(hooks).length > 0)
    return isOclifOnly ? undefined : `The installed plugin ${name} cannot be used: ${error.message}`
  }
}
