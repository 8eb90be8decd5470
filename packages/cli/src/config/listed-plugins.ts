import { ConfigError, isPlumbError, loadConfig } from '@plumbline/core'

/** The plugins that a configuration lists, and the folder that they are looked for from; none where there is no configuration. */
export async function listedPlugins(path: string | undefined): Promise<{ readonly listed: readonly string[]; readonly folder: string }> {
  try {
    const { config, folder } = await loadConfig({ path })
    return { listed: config.plugins, folder }
  } catch (error) {
    // An editor needs the schema most while something is wrong.
    if (error instanceof ConfigError && error.draft !== undefined) {
      const { plugins } = (error.draft.written ?? {}) as { readonly plugins?: unknown }
      const listed = Array.isArray(plugins) ? plugins.filter((each): each is string => typeof each === 'string') : []
      return { listed, folder: error.draft.folder }
    }
    if (path === undefined && isPlumbError(error) && error.code === 'PLUMB_CONFIG_NOT_FOUND') return { listed: [], folder: process.cwd() }
    throw error
  }
}
