import { createHash } from 'node:crypto'
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { manifestFolderOf, manifestOf, packageVersion, readManifest } from './package-manifest'
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

/**
 * Any text in quotes that names a file: more than imports (`new URL('./table.json', …)`), and a match that was none does no harm. Each
 * quotation mark may begin one, whatever stands before it: an apostrophe in a comment or a regular expression must not swallow the next.
 */
const QUOTED = /(['"`])(?=((?:(?!\1)[^\\\n]){1,200})\1)/g
const IMPORTED = /(?:\bfrom|\bimport|\brequire|\bresolve)\s*\(?\s*(['"`])([^'"`./\\\n][^'"`\\\n]*)\1/g
const MODULES = /\.(?:[cm]?[jt]sx?)$/
const ENDINGS = ['', '.js', '.mjs', '.cjs', '.json', '.node', '.ts', '/index.js', '/index.mjs', '/index.cjs', '/index.json', '/index.ts']

function reached(file: string, packages: Set<string>): string[] {
  if (!MODULES.test(file)) return []
  const text = readFileSync(file, 'utf8')
  const found: string[] = []
  for (const [, , target = ''] of text.matchAll(QUOTED)) {
    const hit = fileOf(target, path.dirname(file))
    if (hit !== undefined) found.push(realpathSync(hit))
  }
  const names = [...text.matchAll(IMPORTED)].map(([, , name = '']) => name)
  for (const name of names.flatMap((each) => (each.startsWith('#') ? aliased(each, file, found, packages) : [each]))) {
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

/** The file that a quoted text names, seen from a folder. */
function fileOf(quoted: string, folder: string): string | undefined {
  // What the loader takes off: `./table.json?raw`, `./strength.mjs#1`.
  const [target = ''] = quoted.startsWith('.') && !isFile(path.resolve(folder, quoted)) ? quoted.split(/[?#]/) : [quoted]
  const beside = target.startsWith('file:') ? attempt(() => fileURLToPath(target)) : path.resolve(folder, target)
  const endings = target.startsWith('.') ? ENDINGS : ['']
  // TypeScript's modules name each other as they will be compiled.
  const source = target.startsWith('.') ? beside?.replace(/\.([cm]?)js$/, '.$1ts') : undefined
  return [...(beside === undefined ? [] : endings.map((ending) => beside + ending)), ...(source === undefined ? [] : [source])].find(isFile)
}

/** What package.json's `imports` says of `#name`, under whatever condition: files go to `found`, names of packages are returned. */
function aliased(name: string, file: string, found: string[], known: Set<string>): string[] {
  const owner = manifestFolderOf(file)
  const imports = owner === undefined ? undefined : readManifest(owner)?.imports
  if (owner === undefined || typeof imports !== 'object' || imports === null) return []
  const packages: string[] = []
  for (const [key, targets] of Object.entries(imports)) {
    const [before = '', behind] = key.split('*')
    const matches = behind === undefined ? key === name : name.startsWith(before) && name.endsWith(behind)
    if (!matches) continue
    known.add(`${key} ${JSON.stringify(targets)}`)
    const star = name.slice(before.length, name.length - (behind?.length ?? 0))
    for (const target of textsIn(targets).map((text) => text.replaceAll('*', star))) {
      const hit = target.startsWith('.') ? fileOf(target, owner) : undefined
      if (hit !== undefined) found.push(realpathSync(hit))
      else if (!target.startsWith('.')) packages.push(target)
    }
  }
  return packages
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
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
