import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRegistry, isPlumbError, KIND_TITLES, loadPlugins, type Plugin } from '@plumbline/core'
import { KINDS } from './kinds'

/** What an installed package brings: things of a run, or commands alone. */
export interface Brought {
  readonly version: string
  /** e.g. `loss margin`. Empty for a package that adds commands alone. */
  readonly things: readonly string[]
}

interface PackageJson {
  readonly version?: string
  readonly oclif?: { readonly commands?: unknown; readonly hooks?: unknown }
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

export function packageJson(root: string): PackageJson {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageJson
}

/**
 * Loads a package as a run would, beside everything that is built in.
 * @throws PlumbError PLUMB_PLUGIN_… for what is no plugin, cannot be loaded, or has a name that is taken.
 */
export async function bringsOf(root: string, builtIns: readonly Plugin[]): Promise<Brought> {
  const { version = '', oclif } = packageJson(root)
  try {
    const [plugin] = await loadPlugins([root], { from: root })
    const registry = createRegistry(builtIns)
    const before = KINDS.map((kind) => registry.names(kind).length)
    if (plugin) registry.use(plugin)
    const things = KINDS.flatMap((kind, n) =>
      registry
        .names(kind)
        .slice(before[n])
        .map((name) => `${KIND_TITLES[kind]} ${name}`),
    )
    return { version, things }
  } catch (error) {
    const addsCommands = oclif?.commands !== undefined || oclif?.hooks !== undefined
    const isNone = isPlumbError(error) && ['PLUMB_PLUGIN_NOT_FOUND', 'PLUMB_PLUGIN_INVALID'].includes((error as { code: string }).code)
    if (addsCommands && isNone) return { version, things: [] }
    throw error
  }
}

/** A sentence about what a package brings. */
export function shownBrought({ things }: Brought): string {
  return things.length === 0 ? 'commands alone' : things.map((thing) => `the ${thing}`).join(', ')
}
