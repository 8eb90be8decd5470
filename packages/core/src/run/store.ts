import { rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { makeFolder, removeLeftovers } from '../util/atomic'
import { readJson, writeJson } from './files'
import { hashContent, hashJson } from './hash'
import { lockFolder } from './lock'
import { noteForLog, settleLog } from './log'

/** What a finished stage leaves beside its artifacts, as `done.json`. Holds no times and no absolute paths. */
export interface Manifest {
  readonly stage: string
  readonly variant?: string
  /** SHA-256 over `determinedBy`. */
  readonly key: string
  /** Everything the artifacts depend on, so that a person can see why a stage was not reused. */
  readonly determinedBy: unknown
  /** Path inside the folder → SHA-256 of the content. */
  readonly artifacts: Readonly<Record<string, string>>
  readonly summary: string
  readonly figures: Readonly<Record<string, number>>
  readonly notices: readonly StageNotice[]
}

export interface StageNotice {
  readonly level: 'info' | 'warning'
  readonly message: string
}

/** One stage's folder, `<stage>[-<variant>]-<first digits of the key>`, finished or not. */
export class StageFolder {
  constructor(
    readonly path: string,
    private readonly identity: Pick<Manifest, 'stage' | 'variant' | 'key' | 'determinedBy'>,
  ) {}

  /** Where artifacts lie. */
  file(...names: string[]): string {
    return path.join(this.path, ...names)
  }

  /** Where unfinished work lies; gone once the stage is done. */
  work(...names: string[]): string {
    return path.join(this.path, 'work', ...names)
  }

  /** The manifest, if the stage is finished and its artifacts are there. */
  async finished(): Promise<Manifest | undefined> {
    const manifest = await readJson<Manifest>(this.file('done.json'))
    if (manifest?.key !== this.identity.key) return undefined
    for (const name of Object.keys(manifest.artifacts)) {
      if (!(await exists(this.file(name)))) return undefined
    }
    await this.clearWork()
    return manifest
  }

  /** Whether an earlier process began and did not finish. */
  async begun(): Promise<boolean> {
    return exists(this.work())
  }

  /** Declares the stage finished. From here on it is reused. */
  async finish(
    outcome: Pick<Manifest, 'summary' | 'figures' | 'notices'> & { readonly artifacts: readonly string[] },
    /** What the run's log is to say of it. */
    logEntry?: object,
  ): Promise<Manifest> {
    const artifacts: Record<string, string> = {}
    for (const name of [...outcome.artifacts].sort()) artifacts[name] = await hashContent(this.file(name))
    const { summary, figures, notices } = outcome
    const manifest: Manifest = { ...this.identity, artifacts, summary, figures, notices }
    if (logEntry) await noteForLog(this.work('log.json'), logEntry)
    await writeJson(this.file('done.json'), manifest)
    await this.clearWork()
    return manifest
  }

  private async clearWork(): Promise<void> {
    await settleLog(path.dirname(this.path), this.work('log.json'))
    await rm(this.work(), { recursive: true, force: true })
  }
}

/** A run folder: one folder per stage and key, a lock, and a log, which alone holds times. */
export class RunStore {
  private constructor(
    readonly folder: string,
    private readonly unlock: () => Promise<void>,
  ) {}

  /** @throws PlumbError PLUMB_RUN_LOCKED */
  static async open(folder: string, say?: (message: string) => void): Promise<RunStore> {
    await makeFolder(folder)
    return new RunStore(folder, await lockFolder(folder, { say }))
  }

  async close(): Promise<void> {
    await this.unlock()
  }

  /** The folder of a stage whose artifacts are determined by `determinedBy`. */
  async stage(stage: string, variant: string | undefined, determinedBy: unknown): Promise<StageFolder> {
    const key = hashJson({ stage, determinedBy })
    const name = [stage, ...(variant === undefined ? [] : [variant]), key.slice(0, 8)].join('-')
    const folder = path.join(this.folder, name)
    await makeFolder(folder)
    await removeLeftovers(folder, { exclusive: true })
    return new StageFolder(folder, { stage, ...(variant === undefined ? {} : { variant }), key, determinedBy })
  }
}

async function exists(target: string): Promise<boolean> {
  return stat(target).then(
    () => true,
    () => false,
  )
}
