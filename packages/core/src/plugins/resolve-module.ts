import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { readManifest } from './package-manifest'

/** The file a package name or an absolute path stands for, seen from `folder`; undefined when there is none. */
export function resolveModule(target: string, folder: string): string | undefined {
  try {
    return createRequire(path.join(folder, 'noop.js')).resolve(target)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ERR_PACKAGE_PATH_NOT_EXPORTED' || code === 'MODULE_NOT_FOUND') return importOnlyEntry(target, folder)
    throw error
  }
}

/** The entry of a package that only offers itself to `import`. */
function importOnlyEntry(target: string, folder: string): string | undefined {
  const root = path.isAbsolute(target) ? target : packageFolder(target, folder)
  const manifest = root === undefined ? undefined : readManifest(root)
  if (root === undefined || manifest === undefined) return undefined
  const entry = exportTarget(manifest.exports)
  const file = entry === undefined ? undefined : path.join(root, entry)
  return file !== undefined && existsSync(file) ? file : undefined
}

/** Where a package is installed, seen from `folder`. */
export function packageFolder(name: string, folder: string): string | undefined {
  for (let current = path.resolve(folder); ; current = path.dirname(current)) {
    const candidate = path.join(current, 'node_modules', name)
    if (existsSync(path.join(candidate, 'package.json'))) return candidate
    if (current === path.dirname(current)) return undefined
  }
}

const CONDITIONS = ['node', 'import', 'module-sync', 'default']

/** The package's own entry (`.`) among its exports, under the conditions of `import` in Node. */
function exportTarget(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (Array.isArray(exports)) return exports.map(exportTarget).find((found) => found !== undefined)
  if (typeof exports !== 'object' || exports === null) return undefined
  const table = exports as Readonly<Record<string, unknown>>
  if ('.' in table) return exportTarget(table['.'])
  for (const [condition, target] of Object.entries(table)) {
    if (!CONDITIONS.includes(condition)) continue
    const found = exportTarget(target)
    if (found !== undefined) return found
  }
  return undefined
}
