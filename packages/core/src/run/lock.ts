import { randomUUID, createHash } from 'node:crypto'
import { link, open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PlumbError } from '../errors'
import { makeFolder, removeLeftovers, withPath, withTemporary } from '../util/atomic'
import { isOwn, livenessOf, ownIdentity, type Liveness, type ProcessIdentity } from '../util/process-identity'
import { startHeartbeat } from './heartbeat'

// `proper-lockfile` is not used: of two processes that find the same stale lock, each may remove what the other has just made; it
// judges age by the wall clock, which jumps; and a process that computes for long without a pause loses its lock.

export interface LockOptions {
  /** What is locked, for the message: `this run folder` when absent. */
  readonly title?: string
  /** Told that a holder of which nothing is known is being watched for a sign of life, which takes a while. */
  readonly say?: (message: string) => void
  /** How often a holder gives a sign of life, in milliseconds. */
  readonly beatMs?: number
  /** How long a holder that cannot be seen from here must give none for its lock to be taken, in milliseconds. */
  readonly silenceMs?: number
  /** Called when another process has taken the lock all the same; by default the process ends with PLUMB_RUN_LOCK_LOST. */
  readonly onLost?: (error: PlumbError) => void
}

const BEAT_MS = 2_000
const SILENCE_MS = 30_000
/** More processes than are ever killed one after the other between two steps of taking a lock over. */
const MOST_SUCCESSORS = 100

interface Holder extends ProcessIdentity {
  /** Of this one lock, so that no other is ever taken for it. */
  readonly token: string
}

/** Tokens that this very process holds, in whatever copies of this module: where ids are reused, its id in a file proves nothing. */
const held = ((globalThis as { [key: symbol]: Set<string> | undefined })[Symbol.for('plumbline.locks')] ??= new Set<string>())

/**
 * Keeps other processes, and other parts of this one, out of a folder, by a file `.lock` in it. The lock of a process that is gone is
 * taken over at once where that can be known (same start of the system, same pid namespace), else when its file has given no sign of
 * life for half a minute. Of several processes that find a stale lock exactly one gets it.
 *
 * @returns what gives the lock back.
 * @throws PlumbError PLUMB_RUN_LOCKED, with who holds it.
 */
export async function lockFolder(folder: string, options: LockOptions = {}): Promise<() => Promise<void>> {
  const { beatMs = BEAT_MS, onLost = endProcess } = options
  await makeFolder(folder)
  const file = path.join(folder, '.lock')
  const holder: Holder = { ...ownIdentity(), token: randomUUID() }
  held.add(holder.token)
  let stop: () => Promise<void>
  try {
    await acquire(file, holder, options)
    stop = startHeartbeat(file, beatMs, () => onLost(lost(file)))
  } catch (error) {
    held.delete(holder.token)
    throw error
  }
  await removeOldSuccessors(file, holder)
  await removeLeftovers(folder)
  return async () => {
    await stop()
    await release(file, holder)
    held.delete(holder.token)
  }
}

/** A lock as it is seen from outside. */
export interface SeenLock {
  /** For people: `process 4711 on host`. */
  readonly by: string
  /** Whether its process is known to live; of another machine, container or start of the system it cannot be known. */
  readonly isAlive: boolean
  /** When it last gave a sign of life, by the file system's clock. */
  readonly at: number
}

/** Looks whether a folder is locked and touches nothing; undefined where it is not, or where the process is gone. */
export async function lockOn(folder: string): Promise<SeenLock | undefined> {
  const file = path.join(folder, '.lock')
  const found = await read(file)
  if (found === undefined) return undefined
  const state = found.holder === undefined ? 'unknown' : liveness(found.holder)
  if (state === 'gone') return undefined
  const at = await stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  )
  return { by: who(found.holder), isAlive: state === 'alive', at }
}

/**
 * Makes `file` hold this process's lock. A lock is put in its place whole, by a link, which fails where there is one. A stale one is
 * succeeded: whoever makes the file `<file>.after-<token>` is the only successor of that token; when the stale lock is still in place
 * then, no one else can replace it any more, and the successor's file is renamed over it. A successor that is killed in between leaves
 * a lock like any other, which is succeeded in the same way.
 */
async function acquire(file: string, holder: Holder, options: LockOptions, depth = 0): Promise<void> {
  for (;;) {
    if (await put(file, holder)) return
    const there = await read(file)
    if (there === undefined) continue // given back meanwhile
    // Only files that were copied by hand follow each other in a ring.
    if (depth > MOST_SUCCESSORS || (await isHeld(file, there, options))) throw locked(file, there.holder, options)
    const successor = successorOf(file, there.token)
    await acquire(successor, holder, options, depth + 1)
    if ((await read(file))?.token === there.token) {
      await rename(successor, file)
      return
    }
    await rm(successor, { force: true })
  }
}

async function release(file: string, holder: Holder): Promise<void> {
  // As its own successor: so no one takes the lock over between the look at it and its removal. The successor's token is a new one:
  // a process that is killed here leaves both files, and with the same token the second would be its own successor.
  const own: Holder = { ...holder, token: randomUUID() }
  const successor = successorOf(file, holder.token)
  held.add(own.token)
  try {
    if (!(await put(successor, own))) return
    try {
      if ((await read(file))?.token === holder.token) await rm(file, { force: true })
    } finally {
      await rm(successor, { force: true })
    }
  } finally {
    held.delete(own.token)
  }
}

function successorOf(file: string, token: string): string {
  return path.join(path.dirname(file), `.lock.after-${token}`)
}

/** What processes left that were killed while they gave a lock back, or found that another was faster. */
async function removeOldSuccessors(file: string, { token }: Holder): Promise<void> {
  const folder = path.dirname(file)
  const own = path.basename(successorOf(file, token))
  for (const name of await readdir(folder)) {
    if (name.startsWith('.lock.after-') && name !== own) await rm(path.join(folder, name), { force: true })
  }
}

/** Creates the file with the holder in it, in one step; false where there is one. */
async function put(file: string, holder: Holder): Promise<boolean> {
  const content = `${JSON.stringify(holder)}\n`
  for (;;) {
    try {
      return await withTemporary(file, content, async (temporary) => {
        await link(temporary, file)
        return true
      })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') return false
      // The new holder cleans its folder up, and from another machine this attempt looks like something left over.
      if (code === 'ENOENT' && (await isFolder(path.dirname(file)))) continue
      if (!WITHOUT_LINKS.has(code ?? '')) throw error
      return putWithoutLink(file, content)
    }
  }
}

/** What file systems say that have no hard links (FAT, some network and FUSE ones). */
const WITHOUT_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK'])

/** There a reader may see the file before its content; it then watches it, and sees it change. */
async function putWithoutLink(file: string, content: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx')
    try {
      await handle.writeFile(content)
    } finally {
      await handle.close()
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

interface Found {
  readonly token: string
  /** Undefined where the file is not one that this module writes. */
  readonly holder?: Holder
  /** Changes with each sign of life. */
  readonly state: string
}

async function read(file: string): Promise<Found | undefined> {
  // Opened anew each time: network file systems then ask the server.
  const handle = await open(file, 'r').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  })
  if (handle === undefined) return undefined
  try {
    const { mtimeNs, ino, size } = await handle.stat({ bigint: true })
    const text = await handle.readFile('utf8')
    const holder = parse(text)
    const token = holder?.token ?? createHash('sha256').update(text).digest('hex')
    return { token, ...(holder ? { holder } : {}), state: `${mtimeNs} ${ino} ${size} ${text}` }
  } catch (error) {
    throw withPath(error, file)
  } finally {
    await handle.close()
  }
}

function parse(text: string): Holder | undefined {
  try {
    const { pid, host, system, start, token } = JSON.parse(text) as Partial<Holder>
    if (typeof pid !== 'number' || typeof host !== 'string' || typeof system !== 'string' || !/^[\w-]+$/.test(token ?? '')) return undefined
    return { pid, host, system, token: token ?? '', ...(typeof start === 'string' ? { start } : {}) }
  } catch {
    return undefined
  }
}

async function isHeld(file: string, found: Found, options: LockOptions): Promise<boolean> {
  switch (found.holder === undefined ? 'unknown' : liveness(found.holder)) {
    case 'alive':
      return true
    case 'gone':
      return false
    case 'unknown':
      return givesSigns(file, found, options)
  }
}

function liveness(holder: Holder): Liveness {
  const own = isOwn(holder)
  if (own === undefined) return held.has(holder.token) ? 'alive' : 'gone'
  return own ? 'alive' : livenessOf(holder)
}

/** Watches by a clock that does not jump; the file's own times are only compared with each other. */
async function givesSigns(file: string, { state, holder }: Found, options: LockOptions): Promise<boolean> {
  const { say, silenceMs = SILENCE_MS } = options
  const seconds = Math.ceil(silenceMs / 1000)
  say?.(`${file} names ${who(holder)}, which cannot be seen from here; waiting up to ${seconds} s for a sign of life.`)
  const started = performance.now()
  while (performance.now() - started < silenceMs) {
    await sleep(Math.min(500, silenceMs / 10))
    const now = await read(file)
    if (now?.state !== state) return now !== undefined
  }
  return false
}

function who(holder: Holder | undefined): string {
  return holder === undefined ? 'a process that it does not name' : `process ${holder.pid} on ${holder.host}`
}

function locked(file: string, holder: Holder | undefined, { title = 'this run folder' }: LockOptions): PlumbError {
  const by = holder !== undefined && isOwn(holder) === true ? 'this very process' : who(holder)
  const main = path.join(path.dirname(file), '.lock')
  const message =
    `Another run, ${by}, works in ${title}; wait for it, or choose another "run" folder. ` +
    'A lock whose process has ended is taken over by itself; delete this file only where you know that nothing works here.'
  return new PlumbError('PLUMB_RUN_LOCKED', message, main)
}

function lost(file: string): PlumbError {
  const why = `Another process has taken this folder over, since this one gave no sign of life for a while or its lock was deleted`
  return new PlumbError('PLUMB_RUN_LOCK_LOST', `${why}; this one stops here, and that one goes on with the work.`, file)
}

/** Two writers are worse than a run that ends: what is on disk is whole, and the other process goes on from it. */
function endProcess(error: PlumbError): void {
  setImmediate(() => {
    throw error
  })
}

async function isFolder(folder: string): Promise<boolean> {
  return readdir(folder).then(
    () => true,
    () => false,
  )
}
