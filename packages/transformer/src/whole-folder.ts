import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { PlumbError, replaceFolder, type PlumbErrorCode } from '@plumbline/core/base'

export { writeDurably } from '@plumbline/core/base'

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
  await replaceFolder(target, fill)
}

async function refuseForeignFolder(target: string, { mark, taken }: FolderKind): Promise<void> {
  const entries = await readdir(target).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new PlumbError(taken, 'This is not a folder; expected a new path or a folder to replace.', target)
  })
  if (entries && entries.length > 0 && !entries.includes(mark)) {
    const message = `The folder exists and holds no ${mark}, so it is something else and is not replaced; expected a new path.`
    throw new PlumbError(taken, message, target)
  }
}
