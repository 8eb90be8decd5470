import { resolve } from 'node:path'
import { suggestion } from '@plumbline/core/base'
import { UserError } from '../errors/user-error'
import { npm } from './npm'
import type { PluginStore } from './store'

/** @returns the plugin's name. @throws UserError PLUMB_PLUGINS_NOT_INSTALLED */
export async function uninstallPlugin(given: string, store: PluginStore): Promise<string> {
  const entries = await store.entries()
  const entry = entries.find(({ name, root }) => name === given || (root !== undefined && root === resolve(given)))
  if (entry === undefined) {
    const known = entries.map(({ name }) => name)
    throw new UserError(
      'PLUMB_PLUGINS_NOT_INSTALLED',
      `No plugin of this name is installed. ${suggestion(given, known, 'Installed')}`,
      given,
    )
  }
  if (entry.type === 'user') await npm(['uninstall', entry.name], store.folder)
  await store.remove(entry.name)
  return entry.name
}
