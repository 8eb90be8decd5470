import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UserError } from '../errors/user-error'

/** What the user named: something that npm fetches, or a folder or tarball of this machine. */
export type Spec =
  | { readonly kind: 'name'; readonly npm: string; readonly name: string; readonly tag: string }
  | { readonly kind: 'address'; readonly npm: string }
  | { readonly kind: 'folder' | 'tarball'; readonly npm: string; readonly path: string }

const TARBALL = /\.(tgz|tar\.gz|tar)$/i

/** @throws UserError PLUMB_PLUGINS_NOT_FOUND for a path where nothing is, PLUMB_PLUGINS_INVALID for a file that is no tarball. */
export function specOf(given: string, cwd: string = process.cwd()): Spec {
  if (given.trim() === '' || given.startsWith('-'))
    throw new UserError(
      'PLUMB_PLUGINS_INVALID',
      'This is no name of a package; expected one, a folder, or a tarball.',
      JSON.stringify(given),
    )
  const isFileUrl = given.startsWith('file:')
  if (!isFileUrl && /^[a-z+]+:/i.test(given) && !/^[a-z]:[\\/]/i.test(given)) return { kind: 'address', npm: given }
  const path = isFileUrl ? pathOfUrl(given, cwd) : resolve(cwd, given)
  const looksLikePath = isFileUrl || /^(\.{1,2}([\\/]|$)|[\\/]|[a-z]:[\\/])/i.test(given) || TARBALL.test(given)
  if (looksLikePath || isPackageFolder(path)) return specOfPath(path, given)
  if (given.includes('/') && !given.startsWith('@')) return { kind: 'address', npm: given } // owner/repository of GitHub
  const at = given.indexOf('@', 1)
  return { kind: 'name', npm: given, name: at < 0 ? given : given.slice(0, at), tag: at < 0 ? 'latest' : given.slice(at + 1) }
}

function specOfPath(path: string, given: string): Spec {
  if (!existsSync(path)) throw new UserError('PLUMB_PLUGINS_NOT_FOUND', 'There is no such file or folder.', given)
  if (statSync(path).isDirectory()) {
    nameOfFolder(path, given)
    return { kind: 'folder', npm: path, path }
  }
  if (!TARBALL.test(path))
    throw new UserError('PLUMB_PLUGINS_INVALID', 'This file is no package; expected a tarball that "npm pack" made, or a folder.', given)
  return { kind: 'tarball', npm: path, path }
}

/** `file:../x` of npm is relative, which a URL cannot be. */
function pathOfUrl(url: string, cwd: string): string {
  return url.startsWith('file://') ? fileURLToPath(url) : resolve(cwd, url.slice('file:'.length))
}

const isPackageFolder = (path: string): boolean => existsSync(join(path, 'package.json'))

/** The name in a folder's package.json. @throws UserError PLUMB_PLUGINS_INVALID */
export function nameOfFolder(folder: string, given: string): string {
  let name: unknown
  try {
    ;({ name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { readonly name?: unknown })
  } catch {
    throw new UserError('PLUMB_PLUGINS_INVALID', 'The folder has no package.json that can be read.', given)
  }
  if (typeof name !== 'string' || name === '') throw new UserError('PLUMB_PLUGINS_INVALID', 'Its package.json has no name.', given)
  return name
}
