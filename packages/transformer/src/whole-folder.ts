import { existsSync } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { PlumbError, type PlumbErrorCode } from '@plumbline/core/base'

/** What tells folders of a kind from others. */
export interface FolderKind {
  /** A file that every folder of this kind holds, e.g. `config.json`. */
  readonly mark: string
  /** The error's code where a target is something else. */
  readonly taken: PlumbErrorCode
}

/**
 * Writes a folder whole or not at all: `fill` writes into a temporary folder beside the target, which is flushed and renamed into
 * place. A folder of the same kind that is already there is replaced.
 *
 * @throws PlumbError with the code `taken` when the target exists, is not empty and lacks `mark`.
 */
export async function writeWholeFolder(folder: string, kind: FolderKind, fill: (temporary: string) => Promise<void>): Promise<void> {
  const target = resolve(folder)
  await refuseForeignFolder(target, kind)
  // Fixed names, so that what a killed process left is overwritten by the next attempt.
  const temporary = `${target}.tmp`
  try {
    await rm(temporary, { recursive: true, force: true })
    await mkdir(temporary, { recursive: true })
    await fill(temporary)
    await syncFolder(temporary)
    await moveIntoPlace(temporary, target, `${target}.old`)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    throw error
  }
}

/** Writes one file and flushes it to the disk. */
export async function writeDurably(path: string, bytes: Uint8Array | string): Promise<void> {
  const file = await open(path, 'w')
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function refuseForeignFolder(target: string, { mark, taken }: FolderKind): Promise<void> {
  const entries = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new PlumbError(taken, 'This is not a folder; expected a new path or a folder to replace.', target)
  })
  if (entries && entries.length > 0 && !entries.includes(mark)) {
    const message = `The folder exists and holds no ${mark}, so it is something else and is not replaced; expected a new path.`
    throw new PlumbError(taken, message, target)
  }
}

/** A folder cannot be renamed over a filled one, so an old one steps aside first and is removed last. */
async function moveIntoPlace(temporary: string, target: string, aside: string): Promise<void> {
  if (existsSync(target)) {
    await rm(aside, { recursive: true, force: true })
    await rename(target, aside)
  }
  await rename(temporary, target)
  await syncFolder(dirname(target))
  await rm(aside, { recursive: true, force: true })
}

/** Makes a rename survive a power cut; Windows cannot open a folder and needs no such call. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
