import { join, sep } from 'node:path'
import { isPlumbError, type Plugin } from '@plumbline/core'
import { UserError } from '../errors/user-error'
import { bringsOf, packageJson, type Brought } from './brings'
import { npm } from './npm'
import { specOf, type Spec } from './spec'
import type { PluginStore } from './store'

/** Peers that this process brings. */
const OWN_PEERS = ['@plumbline/core', '@plumbline/cli', '@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu', 'zod']

export interface Installed extends Brought {
  readonly name: string
}

/**
 * Installs a plugin for the command line. What turns out to be none is taken away again, and what was there before is put back.
 * @throws PlumbError PLUMB_PLUGINS_…, or what {@link bringsOf} throws.
 */
export async function installPlugin(given: string, store: PluginStore, builtIns: readonly Plugin[]): Promise<Installed> {
  const spec = specOf(given)
  await store.prepare()
  const before = await store.text()
  try {
    const name = await fetched(spec, store)
    const root = store.rootOf({ name })
    const peers = missingPeers(root)
    if (peers.length > 0) await npm(['install', ...peers], store.folder)
    const brought = await bringsOf(root, builtIns)
    await store.add({ name, type: 'user', ...(spec.kind === 'name' ? { tag: spec.tag } : { url: spec.npm }) })
    return { name, ...brought }
  } catch (error) {
    await store.putBack(before)
    await npm(['install'], store.folder).catch(() => undefined) // takes away what is not listed any more
    throw isPlumbError(error) && error.code.startsWith('PLUMB_PLUGIN_') ? notInstalled(error, given, store) : error
  }
}

/** Fetches a package, and says by which name npm knows it. */
async function fetched(spec: Spec, store: PluginStore): Promise<string> {
  const before = (await store.manifest()).dependencies ?? {}
  await npm(['install', spec.npm], store.folder)
  const after = (await store.manifest()).dependencies ?? {}
  if (spec.kind === 'name' && spec.name in after) return spec.name
  const changed = Object.keys(after).filter((name) => after[name] !== before[name])
  // Installed a second time, from the same place.
  const same = Object.keys(after).filter((name) => pointsTo(after[name] ?? '', spec, store.folder))
  const name = changed[0] ?? same[0]
  if (name === undefined) throw new UserError('PLUMB_PLUGINS_NPM', 'npm did not say what it installed.', spec.npm)
  return name
}

function pointsTo(saved: string, spec: Spec, folder: string): boolean {
  return 'path' in spec && saved.startsWith('file:') ? specPath(saved, folder) === spec.path : saved === spec.npm
}

function specPath(saved: string, folder: string): string | undefined {
  const spec = specOf(saved, folder)
  return 'path' in spec ? spec.path : undefined
}

/** Peers beyond what is shared; npm is told not to install peers, lest it bring a second core. */
function missingPeers(root: string): string[] {
  const { peerDependencies = {}, peerDependenciesMeta = {} } = packageJson(root)
  return Object.entries(peerDependencies)
    .filter(([name]) => !OWN_PEERS.includes(name) && peerDependenciesMeta[name]?.optional !== true)
    .map(([name, range]) => `${name}@${range}`)
}

/** The error in terms of what the user named: the copy that was looked at is gone again. */
function notInstalled(error: Error, given: string, store: PluginStore): UserError {
  const { code, message } = error as Error & { readonly code: `PLUMB_${string}` }
  const folder = `${join(store.folder, 'node_modules')}${sep}`
  return new UserError(code, `${message.replaceAll(folder, '')} It was not installed.`, given, { cause: error })
}
