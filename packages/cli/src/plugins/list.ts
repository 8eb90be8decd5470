import type { Config as OclifConfig } from '@oclif/core'
import { shownPath } from '@plumbline/core/base'
import { builtIns } from '../run/plugins'
import { bringsOf, shownBrought, type Brought } from './brings'
import { PluginStore } from './store'

export interface ListedPlugin {
  readonly name: string
  readonly type: 'user' | 'link'
  readonly root: string
  readonly version?: string
  /** e.g. `loss margin`. */
  readonly things?: readonly string[]
  /** Why it cannot be used. */
  readonly problem?: string
}

export async function listPlugins(folder: string, oclif: OclifConfig): Promise<readonly ListedPlugin[]> {
  const store = new PluginStore(folder)
  const own = await builtIns(oclif.version)
  const listed: ListedPlugin[] = []
  for (const entry of await store.entries()) {
    const root = store.rootOf(entry)
    const found = await bringsOf(root, own).catch((error: unknown): string => (error as Error).message)
    const rest: Partial<Brought> & { readonly problem?: string } = typeof found === 'string' ? { problem: found } : found
    listed.push({ name: entry.name, type: entry.type, root, ...rest })
  }
  return listed
}

export function shownList(plugins: readonly ListedPlugin[]): string {
  if (plugins.length === 0)
    return 'No plugins are installed. "plumb plugins install NAME" installs one; "plumb strategies" lists what is built in.'
  return plugins
    .map(({ name, version, type, root, things, problem }) => {
      const where = type === 'link' ? `  (linked: ${shownPath(root)})` : ''
      const what = problem === undefined ? shownBrought({ version: version ?? '', things: things ?? [] }) : `cannot be used: ${problem}`
      return `${name} ${version ?? ''}${where}  ${what}`
    })
    .join('\n')
}
