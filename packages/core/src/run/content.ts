import { appendFile, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { hashFile, hashJson } from './hash'

/** Smaller files are read again: that costs less than keeping account of them. */
const LARGE = 1 << 20
/** Two changes of a file within the clock's grain leave the same time behind. */
const GRAIN_MS = 20

/**
 * SHA-256 of large files, remembered in the run's log by size, both times of change, and inode: a finished run is not read through again.
 * A file that was changed, replaced, moved or copied is.
 */
export class ContentHashes {
  private known: Promise<Map<string, string>> | undefined

  constructor(
    private readonly folder: string,
    /** Whether what is found out may be written down. */
    private readonly remember: boolean,
  ) {}

  async of(file: string): Promise<string> {
    const before = await stampOf(file)
    if (before.size < LARGE) return hashFile(file)
    const known = await (this.known ??= this.read())
    const name = `${this.nameOf(file)} ${before.stamp}`
    const found = known.get(name)
    if (found !== undefined) return found
    const hash = await hashFile(file)
    const after = await stampOf(file)
    if (after.stamp === before.stamp && Date.now() - after.changed > GRAIN_MS) {
      known.set(name, hash)
      if (this.remember) await this.log({ hashed: name, hash })
    }
    return hash
  }

  /** No absolute path enters the log. */
  private nameOf(file: string): string {
    const within = path.relative(this.folder, file)
    return within.startsWith('..') || path.isAbsolute(within) ? hashJson(file).slice(0, 16) : within.split(path.sep).join('/')
  }

  private async log(entry: object): Promise<void> {
    await appendFile(path.join(this.folder, 'log.jsonl'), `${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`)
  }

  private async read(): Promise<Map<string, string>> {
    const text = await readFile(path.join(this.folder, 'log.jsonl'), 'utf8').catch(() => '')
    const known = new Map<string, string>()
    for (const line of text.split('\n')) {
      if (!line.includes('"hashed"')) continue
      try {
        const { hashed, hash } = JSON.parse(line) as { hashed?: unknown; hash?: unknown }
        if (typeof hashed === 'string' && typeof hash === 'string') known.set(hashed, hash)
      } catch {
        // A line that a killed process left half-written: its file is read again.
      }
    }
    return known
  }
}

async function stampOf(file: string): Promise<{ size: number; stamp: string; changed: number }> {
  const { size, mtimeNs, ctimeNs, ino, ctimeMs } = await stat(file, { bigint: true })
  return { size: Number(size), stamp: [size, mtimeNs, ctimeNs, ino].join(':'), changed: Number(ctimeMs) }
}
