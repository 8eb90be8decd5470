import { randomBytes } from 'node:crypto'
import { openSync, unlinkSync } from 'node:fs'
import { lstat, mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { PlumbError } from '../errors'
import { livenessOf, ownIdentity, type Liveness } from './process-identity'

// `write-file-atomic` is not used: its temporary names can be predicted and are opened through links, and it writes neither streams nor folders.

/**
 * Writes a file whole or not at all: into a temporary file beside it, flushed to disk, then renamed. Missing folders are made.
 * `write` is given the open temporary file; when it throws, nothing is left and an old file stays.
 */
export async function replaceFile<T>(file: string, write: (handle: FileHandle) => Promise<T>): Promise<T> {
  const folder = path.dirname(file)
  await makeFolder(folder)
  const temporary = temporaryBeside(file)
  let result: T
  try {
    const handle = await open(temporary, 'wx')
    try {
      result = await write(handle)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, file)
  } catch (error) {
    await discard(temporary)
    throw withPath(error, file, temporary)
  } finally {
    inUse.delete(temporary)
  }
  await syncFolder(folder)
  return result
}

/** {@link replaceFile} for content that is there already. */
export async function writeFileAtomic(file: string, content: string | Uint8Array): Promise<void> {
  await replaceFile(file, (handle) => handle.writeFile(content))
}

/** Lends a flushed temporary file beside `target` that holds `content`; afterwards it is gone, unless it was renamed. */
export async function withTemporary<T>(target: string, content: string, use: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = temporaryBeside(target)
  try {
    await writeDurably(temporary, content)
    return await use(temporary)
  } catch (error) {
    throw withPath(error, target, temporary)
  } finally {
    await discard(temporary)
    inUse.delete(temporary)
  }
}

/** Writes one new file of a folder that is itself temporary, and flushes it. */
export async function writeDurably(file: string, content: string | Uint8Array): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await handle.writeFile(content)
    await handle.sync()
  } catch (error) {
    throw withPath(error, file)
  } finally {
    await handle.close()
  }
}

/**
 * Writes a folder whole or not at all: `fill` writes into an empty temporary folder beside the target, which then takes its place. A
 * folder that is there steps aside as `<target>.old`, since no folder can be renamed over a filled one, and is removed last: killed in
 * between, a process leaves the old folder under that name.
 */
export async function replaceFolder(target: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const parent = path.dirname(target)
  const aside = `${target}.old`
  await makeFolder(parent)
  await removeLeftovers(parent, { of: path.basename(target) })
  const temporary = temporaryBeside(target)
  try {
    await mkdir(temporary)
    await fill(temporary)
    await syncFolder(temporary)
    if (await isThere(target)) {
      await rm(aside, { recursive: true, force: true })
      await rename(target, aside)
    }
    await rename(temporary, target)
  } catch (error) {
    await discard(temporary)
    throw withPath(error, target, temporary)
  } finally {
    inUse.delete(temporary)
  }
  await syncFolder(parent)
  await rm(aside, { recursive: true, force: true })
}

/** Makes a rename inside the folder durable; systems that cannot open a folder do it by themselves. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined)
  await handle?.sync().catch(() => undefined)
  await handle?.close()
}

/**
 * Makes a folder and those above it. Node's own recursive mkdir does not end where a file system refuses new folders with ENOENT (/proc).
 * @throws PlumbError PLUMB_SYSTEM where something else has the name.
 */
export async function makeFolder(folder: string): Promise<void> {
  const above = path.dirname(folder)
  let refused = await refusalOf(folder)
  if (refused?.code === 'ENOENT' && above !== folder) {
    if (!(await isThere(above))) await makeFolder(above)
    // Once more also where somebody else has made the one above in between.
    refused = await refusalOf(folder)
  }
  // Some systems say EACCES, EPERM, EROFS or EISDIR of a folder that is there.
  if (refused === undefined || (await isFolder(folder))) return
  const { code } = refused
  const isBlocked = code === 'EEXIST' || code === 'ENOTDIR' || (code === 'ENOENT' && !(await isFolder(above)))
  if (isBlocked) throw new PlumbError('PLUMB_SYSTEM', await whatStands(folder), folder, { cause: refused })
  throw refused
}

/** Makes a folder. @returns what the system has against it. */
async function refusalOf(folder: string): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(folder)
    return undefined
  } catch (error) {
    return error as NodeJS.ErrnoException
  }
}

/** Where a folder was wanted: what is in its way. */
async function whatStands(folder: string): Promise<string> {
  for (let at = folder; ; at = path.dirname(at)) {
    const found = await lstat(at).catch(() => undefined)
    if (found !== undefined || path.dirname(at) === at) {
      const what = found?.isSymbolicLink() ? 'a link that leads to no folder' : found?.isFile() ? 'a file' : 'something else'
      return at === folder ? `Expected a folder, but this is ${what}.` : `No folder can be made here: ${at} is ${what}.`
    }
  }
}

/** Temporary names of this process that are in use. */
const inUse = new Set<string>()

/** `.<name>.<whose>.<random>.tmp`: cannot be guessed, and tells whether the process that made it still lives. */
function temporaryBeside(target: string): string {
  const { pid, system, start = '' } = ownIdentity()
  const name = `.${shortened(path.basename(target))}.${system}-${pid}-${start}.${randomBytes(8).toString('hex')}.tmp`
  const temporary = path.join(path.dirname(target), name)
  inUse.add(temporary)
  return temporary
}

/** A name so short that with what is added to it it stays within the 255 bytes of common file systems. */
function shortened(name: string): string {
  return Buffer.byteLength(name) <= 150
    ? name
    : Buffer.from(name)
        .subarray(0, 100)
        .toString('latin1')
        .replace(/[^\w.-]/g, '_')
}

/**
 * A new file of this process alone, open to read and write. It has no name, so that it is gone when it is closed or the process ends;
 * who is killed before the name is taken away leaves an empty temporary file.
 */
export function namelessFile(folder: string, name: string): number {
  const temporary = temporaryBeside(path.join(folder, name))
  try {
    const fd = openSync(temporary, 'wx+')
    unlinkSync(temporary)
    return fd
  } catch (error) {
    throw withPath(error, folder, temporary)
  } finally {
    inUse.delete(temporary)
  }
}

const TEMPORARY = /^\.(.+)\.([^.-]+)-(\d+)-(\d*)\.[0-9a-f]{16}\.tmp$/

export interface LeftoverOptions {
  /** Only those of one target's name. */
  readonly of?: string
  /** Whether the caller alone works in this folder, so that whatever is not of a process known to live is left over. */
  readonly exclusive?: boolean
}

/**
 * Removes temporary files and folders that killed processes left in a folder, and none that a living process may still write. Of
 * another machine's or container's nothing is known: theirs stay until the caller has the folder for itself.
 */
export async function removeLeftovers(folder: string, options: LeftoverOptions = {}): Promise<void> {
  for (const file of await leftoversIn(folder, options)) await rm(file, { recursive: true, force: true })
}

/** What {@link removeLeftovers} would remove. */
export async function leftoversIn(folder: string, { of, exclusive = false }: LeftoverOptions = {}): Promise<string[]> {
  const names = await readdir(folder).catch((): string[] => [])
  return names.flatMap((name) => {
    if (!name.startsWith('.') || !name.endsWith('.tmp')) return []
    const file = path.join(folder, name)
    if (inUse.has(file)) return []
    const [, target, system, pid, start] = TEMPORARY.exec(name) ?? []
    if (of !== undefined && target !== shortened(of)) return []
    const liveness: Liveness =
      system === undefined ? 'unknown' : livenessOf({ pid: Number(pid), system, host: '*', ...(start ? { start } : {}) })
    return liveness === 'gone' || (exclusive && liveness === 'unknown') ? [file] : []
  })
}

/** Removes a file or folder so that it is there whole or not at all: under its name it is gone at once. */
export async function removeWhole(target: string): Promise<void> {
  const temporary = temporaryBeside(target)
  try {
    await rename(target, temporary)
    await rm(temporary, { recursive: true, force: true })
  } finally {
    inUse.delete(temporary)
  }
}

async function discard(temporary: string): Promise<void> {
  await rm(temporary, { recursive: true, force: true }).catch(() => undefined)
}

/** Whether there is a folder, or a link to one. */
export async function isFolder(target: string): Promise<boolean> {
  return stat(target).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

async function isThere(target: string): Promise<boolean> {
  return lstat(target).then(
    () => true,
    () => false,
  )
}

/** Names the file in a system's refusal that names none, as a full disk's does, or only the temporary one. */
export function withPath(error: unknown, file: string, temporary?: string): unknown {
  if (typeof error !== 'object' || error === null || !('errno' in error)) return error
  const named = (error as NodeJS.ErrnoException).path
  return named === undefined || named === temporary ? Object.assign(error, { path: file }) : error
}
