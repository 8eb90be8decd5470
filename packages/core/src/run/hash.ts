import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'

/** SHA-256 of a value's canonical JSON: keys sorted, `undefined` left out. */
export function hashJson(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex')
}

export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  )
}

/** SHA-256 of records in their order, each by its canonical JSON: how their file is formatted does not matter. */
export class RecordHash {
  private readonly hash: Hash = createHash('sha256')

  add(record: object): void {
    this.hash.update(canonicalJson(record)).update('\n')
  }

  digest(): string {
    return this.hash.digest('hex')
  }
}

/** SHA-256 of a file's bytes. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

/** Names in a model folder that are no part of the model: texts about it, and what trainers leave to go on with. */
const NO_PART =
  /^\.|^(readme|license|licence|notice|use_policy)\b|\.(md|png|jpe?g|gif|pdf)$|^(optimizer|scheduler|scaler|training_args|rng_state.*)\.(pt|pth|bin)$|^trainer_state\.json$/i

/** The names of a folder's files that count as its content: without sub-folders, hidden files, and texts about it. */
export async function contentNames(folder: string): Promise<string[]> {
  const names: string[] = []
  for (const name of await readdir(folder)) {
    if (!NO_PART.test(name) && (await stat(path.join(folder, name))).isFile()) names.push(name)
  }
  return names.sort()
}

/** SHA-256 over files by name and content. */
export function hashOfFiles(files: Readonly<Record<string, string>>): string {
  return hashJson(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** SHA-256 of a file, or of a folder's files by name and content; see {@link contentNames}. `only` limits it to some names. */
export async function hashContent(target: string, only?: readonly string[]): Promise<string> {
  if ((await stat(target)).isFile()) return hashFile(target)
  const files: Record<string, string> = {}
  for (const name of await contentNames(target)) {
    if (only === undefined || only.includes(name)) files[name] = await hashFile(path.join(target, name))
  }
  return hashOfFiles(files)
}
