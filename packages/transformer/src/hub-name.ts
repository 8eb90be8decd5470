import { readFile } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { isReadableFile, type BaseSource } from '@plumbline/core/base'

/**
 * A model's name on the Hub, `owner/name`, where it says so of itself: by its place in the Hub's cache, or in its `config.json`. undefined
 * where it does not; the folder's own name says nothing to anybody else.
 */
export async function hubName(source: BaseSource): Promise<string | undefined> {
  if (source.kind !== 'folder') return undefined
  const cached = /(?:^|[\\/])models--([^\\/]+?)--([^\\/]+)[\\/]snapshots[\\/]/.exec(`${source.path}${sep}`)
  if (cached) return `${cached[1]}/${cached[2]}`
  const file = join(source.path, 'config.json')
  if (!(await isReadableFile(file))) return undefined
  try {
    const { _name_or_path: name } = JSON.parse(await readFile(file, 'utf8')) as { readonly _name_or_path?: unknown }
    return typeof name === 'string' && /^[A-Za-z0-9][\w.-]*\/[\w.-]+$/.test(name) ? name : undefined
  } catch {
    return undefined
  }
}
