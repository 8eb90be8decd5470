import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** What a process should hold once: copies of them do not know each other's plugins, tensors, kernels or schemas. */
const SHARED = ['@plumbline/core', '@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu', 'zod']

/** The shared package that an import names, itself or a part of it. */
export function sharedPackage(specifier: string): string | undefined {
  return SHARED.find((name) => specifier === name || specifier.startsWith(`${name}/`))
}

/**
 * Whether a plugin that would get `theirs` can have `ours` in its place: two files of one package, of releases that promise the same. Of other
 * releases it keeps its own copy, and what comes of that is said where it matters (plugin API, zod 3).
 */
export function canShare(name: string, theirs: string, ours: string): boolean {
  if (theirs === ours) return false
  const [their, our] = [versionOf(name, theirs), versionOf(name, ours)]
  return their !== undefined && our !== undefined && line(their) === line(our)
}

/** The file of a module's address; what is no file stays as it is. */
export function pathOf({ url }: { readonly url: string }): string {
  return url.startsWith('file:') ? fileURLToPath(url) : url
}

/** Releases of one line are compatible by semver: of 4.22.0 `4`, of 0.1.3 `0.1`. */
function line(version: string): string {
  const [major = '', minor = ''] = version.split('.')
  return major === '0' ? `0.${minor}` : major
}

function versionOf(name: string, file: string): string | undefined {
  for (let folder = path.dirname(file); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as {
        readonly name?: unknown
        readonly version?: unknown
      }
      if (manifest.name === name) return typeof manifest.version === 'string' ? manifest.version : undefined
    } catch {
      // no package.json here, or one that says nothing
    }
  }
  return undefined
}
