import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { hashFile, PlumbError, readJson, shownPath, type Manifest, type StageIdentity } from '@plumbline/core'

/** A stage's folder in a run: finished, or begun and not finished. */
export interface FoundStage {
  readonly folder: string
  /** e.g. `align-boundary-3745a2af`. */
  readonly name: string
  readonly stage: string
  readonly variant?: string
  readonly key: string
  readonly determinedBy: Readonly<Record<string, unknown>>
  /** Absent where it is not finished. */
  readonly manifest?: Manifest
  /** When it was finished or begun, by the clock of the file system. */
  readonly at: number
}

/** All stages of a run folder, the newest first. @throws PlumbError PLUMB_ARTIFACT_DAMAGED */
export async function stagesOf(run: string): Promise<FoundStage[]> {
  const found: FoundStage[] = []
  for (const { name } of (await readdir(run, { withFileTypes: true })).filter((entry) => entry.isDirectory())) {
    const folder = path.join(run, name)
    for (const file of [path.join(folder, 'done.json'), path.join(folder, 'work', 'stage.json')]) {
      const written = await readJson<Partial<Manifest>>(file)
      if (written === undefined) continue
      if (!isIdentity(written)) throw notWritten(file)
      const { stage, variant, key, determinedBy } = written
      const manifest = file.endsWith('done.json') ? (written as Manifest) : undefined
      if (manifest !== undefined && typeof manifest.artifacts !== 'object') throw notWritten(file)
      const at = (await stat(file)).mtimeMs
      found.push({ folder, name, stage, variant, key, determinedBy: determinedBy as FoundStage['determinedBy'], manifest, at })
      break
    }
  }
  return found.sort((a, b) => b.at - a.at || (a.name < b.name ? -1 : 1))
}

function isIdentity(value: Partial<Manifest>): value is StageIdentity {
  const { stage, key, determinedBy } = value
  return typeof stage === 'string' && typeof key === 'string' && typeof determinedBy === 'object' && determinedBy !== null
}

function notWritten(file: string): PlumbError {
  return new PlumbError(
    'PLUMB_ARTIFACT_DAMAGED',
    'The file is not as it was written; delete it to have its stage done again.',
    shownPath(file),
  )
}

/**
 * The path of an artifact, compared with the hash that its stage wrote down; undefined where the stage has none of that name.
 * @throws PlumbError PLUMB_ARTIFACT_CHANGED, PLUMB_ARTIFACT_GONE
 */
export async function artifact({ folder, manifest }: FoundStage, name: string): Promise<string | undefined> {
  const expected = manifest?.artifacts[name]
  if (expected === undefined) return undefined
  const file = path.join(folder, name)
  const there = await hashFile(file).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new PlumbError('PLUMB_ARTIFACT_GONE', 'This artifact is gone; "plumb run" makes it again.', shownPath(file))
  })
  if (there === expected) return file
  const message = `This file is not what its stage wrote, and nothing is shown of it. Put it back, or delete the folder ${path.basename(folder)} to have the stage done again.`
  throw new PlumbError('PLUMB_ARTIFACT_CHANGED', message, shownPath(file))
}
