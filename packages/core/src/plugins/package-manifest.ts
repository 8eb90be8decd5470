import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** The fields of a package.json that are read here. */
export interface Manifest {
  readonly name?: unknown
  readonly type?: unknown
  readonly version?: unknown
  readonly exports?: unknown
  readonly imports?: unknown
}

/** The package.json of a folder; undefined where there is none, or none that can be read. */
export function readManifest(folder: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as Manifest
  } catch {
    return undefined
  }
}

/** The package.json that a file belongs to. */
export function manifestOf(file: string): Manifest | undefined {
  const folder = manifestFolderOf(file)
  return folder === undefined ? undefined : readManifest(folder)
}

/** Where that package.json lies. */
export function manifestFolderOf(file: string): string | undefined {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, 'package.json'))) return folder
    if (folder === path.dirname(folder)) return undefined
  }
}

export function packageVersion(file: string): string | undefined {
  const version = manifestOf(file)?.version
  return typeof version === 'string' ? version : undefined
}
