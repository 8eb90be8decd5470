import { createHash } from 'node:crypto'
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import path from 'node:path'
import { manifestOf, packageVersion } from './package-manifest'
import { resolveModule } from './resolve-module'

/**
 * What a plugin's code is known by. A package that a package manager put into `node_modules` is known by its version; what lies
 * elsewhere (a file beside the config, a folder, a linked package or one of a workspace) by the content of the modules that its entry
 * reaches, since it changes without a new version.
 */
export function codeIdentity(entry: string): string | undefined {
  const file = realpathSync(entry)
  return isInstalled(file) || isOwn(file) ? packageVersion(file) : `sha256:${hashModules(file)}`
}

/** Plumbline's own packages have one version, wherever they lie. */
function isOwn(file: string): boolean {
  const name = manifestOf(file)?.name
  return typeof name === 'string' && name.startsWith('@plumbline/')
}

const isInstalled = (file: string): boolean => file.split(path.sep).includes('node_modules')

/**
 * SHA-256 over the modules that `entry` reaches by relative paths, and through packages that are linked as well, by content; over the
 * installed packages that they name, by version. Paths count relative to the entry, so the same files elsewhere are the same code.
 */
function hashModules(entry: string): string {
  const root = path.dirname(entry)
  const seen = new Set<string>([entry])
  const packages = new Set<string>()
  const queue = [entry]
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    for (const next of reached(file, packages)) {
      if (seen.has(next)) continue
      seen.add(next)
      queue.push(next)
    }
  }
  const hash = createHash('sha256')
  const shown = (file: string) => path.relative(root, file).split(path.sep).join('/')
  for (const file of [...seen].sort((a, b) => (shown(a) < shown(b) ? -1 : 1))) {
    const content = readFileSync(file)
    hash.update(`${shown(file)}\n${content.length}\n`).update(content)
  }
  for (const name of [...packages].sort()) hash.update(`${name}\n`)
  return hash.digest('hex').slice(0, 16)
}

/** Any text in quotes that names a file: more than imports (`new URL('./table.json', …)`), and a match that was none does no harm. */
const QUOTED = /(['"`])((?:(?!\1)[^\\\n]){1,200})\1/g
const IMPORTED = /(?:\bfrom|\bimport|\brequire|\bresolve)\s*\(?\s*(['"`])([^'"`./\\\n][^'"`\\\n]*)\1/g
const MODULES = /\.(?:[cm]?[jt]sx?)$/
const ENDINGS = ['', '.js', '.mjs', '.cjs', '.json', '.node', '.ts', '/index.js', '/index.mjs', '/index.cjs', '/index.json']

function reached(file: string, packages: Set<string>): string[] {
  if (!MODULES.test(file)) return []
  const text = readFileSync(file, 'utf8')
  const found: string[] = []
  for (const [, , target = ''] of text.matchAll(QUOTED)) {
    const beside = path.resolve(path.dirname(file), target)
    const endings = target.startsWith('.') ? ENDINGS : ['']
    const hit = endings.map((ending) => beside + ending).find(isFile)
    if (hit !== undefined) found.push(realpathSync(hit))
  }
  for (const [, , name = ''] of text.matchAll(IMPORTED)) {
    // Of Plumbline's own packages the version is part of every key.
    if (isBuiltin(name) || name.startsWith('@plumbline/') || !/^(@[\w.-]+\/)?[\w.-]+/.test(name)) continue
    const target = attempt(() => resolveModule(name, path.dirname(file)))
    if (target === undefined || !path.isAbsolute(target) || !existsSync(target)) continue
    const real = realpathSync(target)
    if (isInstalled(real)) packages.add(`${name} ${packageVersion(real) ?? ''}`)
    else found.push(real)
  }
  return found
}

function isFile(target: string): boolean {
  return attempt(() => statSync(target).isFile()) ?? false
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
