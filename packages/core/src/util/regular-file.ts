import type { Stats } from 'node:fs'
import { lstat, stat } from 'node:fs/promises'
import { PlumbError } from '../errors'

/**
 * Whether there is a file to read. Asked before it is opened: a pipe without a writer would be waited for, and a device may have no end.
 *
 * @throws PlumbError PLUMB_NOT_A_FILE for a folder, a pipe, a socket, a device, and a link that leads nowhere or to itself.
 */
export async function fileStats(path: string): Promise<Stats | undefined> {
  try {
    const found = await stat(path)
    if (found.isFile()) return found
    throw notAFile(kindOf(found), path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ELOOP') throw notAFile('a link that leads to itself', path, error)
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
    if ((await lstat(path).catch(() => undefined))?.isSymbolicLink()) throw notAFile('a link that leads nowhere', path, error)
    return undefined
  }
}

/** Whether there is a file to read; see {@link fileStats}. */
export async function isReadableFile(path: string): Promise<boolean> {
  return (await fileStats(path)) !== undefined
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return 'a folder'
  if (found.isFIFO()) return 'a pipe'
  return found.isSocket() ? 'a socket' : 'a device'
}

function notAFile(kind: string, path: string, cause?: unknown): PlumbError {
  return new PlumbError('PLUMB_NOT_A_FILE', `This is ${kind}; expected a file.`, path, { cause })
}
