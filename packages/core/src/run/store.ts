import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { PlumbError } from '../errors'
import { makeFolder, removeLeftovers } from '../util/atomic'
import { ContentHashes } from './content'
import { differences } from './difference'
import { readJson, writeJson } from './files'
import { contentNames, hashFile, hashJson, hashOfFiles } from './hash'
import { lockFolder } from './lock'
import { noteForLog, settleLog } from './log'

/** What a stage is, and everything that determines its artifacts. */
export interface StageIdentity {
  readonly stage: string
  readonly variant?: string
  /** SHA-256 over `determinedBy`. */
  readonly key: string
  /** Everything the artifacts depend on, so that a person can see why a stage was not reused. */
  readonly determinedBy: unknown
}

/** What a finished stage leaves beside its artifacts, as `done.json`. Holds no times and no absolute paths. */
export interface Manifest extends StageIdentity {
  /** Path inside the folder → SHA-256 of the content. */
  readonly artifacts: Readonly<Record<string, string>>
  /** Of the artifacts that are folders: file name → SHA-256. */
  readonly contents?: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly summary: string
  readonly figures: Readonly<Record<string, number>>
  readonly notices: readonly StageNotice[]
  /** A few texts to look at, by what they show. */
  readonly examples?: Readonly<Record<string, readonly StageExample[]>>
  /** What the stage looked at beside, which does not determine its artifacts. */
  readonly watched?: unknown
}

export interface StageNotice {
  readonly level: 'info' | 'warning'
  readonly message: string
}

export interface StageExample {
  readonly id: string
  readonly text: string
}

export type StageResult = Pick<Manifest, 'summary' | 'figures' | 'notices' | 'examples' | 'watched'> & {
  readonly artifacts: readonly string[]
}

/** One stage's folder, `<stage>[-<variant>]-<first digits of the key>`, finished or not. */
export class StageFolder {
  constructor(
    readonly path: string,
    readonly identity: StageIdentity,
    private readonly hashes: ContentHashes,
  ) {}

  /** Where artifacts lie. */
  file(...names: string[]): string {
    return path.join(this.path, ...names)
  }

  /** Where unfinished work lies; gone once the stage is done. */
  work(...names: string[]): string {
    return path.join(this.path, 'work', ...names)
  }

  /**
   * The manifest, if the stage is finished and its artifacts are there.
   * @throws PlumbError PLUMB_ARTIFACT_CHANGED where one of them is not what was written.
   */
  async finished(): Promise<Manifest | undefined> {
    const manifest = await readJson<Manifest>(this.file('done.json'))
    if (manifest?.key !== this.identity.key) return undefined
    if (!isManifest(manifest)) {
      const message = 'The file is not as it was written; delete it to have its stage done again.'
      throw new PlumbError('PLUMB_ARTIFACT_DAMAGED', message, this.file('done.json'))
    }
    for (const name of Object.keys(manifest.artifacts)) {
      if (!(await exists(this.file(name)))) return undefined
    }
    for (const [name, hash] of Object.entries(manifest.artifacts)) {
      const whole = await this.verify(name, hash, manifest.contents?.[name])
      if (!whole) return undefined
    }
    return manifest
  }

  /** Keeps other processes out of the stage. @throws PlumbError PLUMB_RUN_LOCKED */
  async lock(say?: (message: string) => void): Promise<() => Promise<void>> {
    await makeFolder(this.path)
    return lockFolder(this.path, { say })
  }

  /** Whether a process that was killed left something behind that its next user has to clear away: a lock, finished work. */
  async isUntidy(): Promise<boolean> {
    const names = await readdir(this.path).catch((): string[] => [])
    return names.some((name) => name === 'work' || name.startsWith('.lock'))
  }

  /** Whether an earlier process began it with what determines it now, and did not finish. */
  async isBegun(): Promise<boolean> {
    const begun = await readJson<StageIdentity>(this.work('stage.json')).catch(() => undefined)
    return begun?.key === this.identity.key
  }

  async clearWork(): Promise<void> {
    await settleLog(path.dirname(this.path), this.work('log.json'))
    await rm(this.work(), { recursive: true, force: true })
  }

  /** Writes down what determines the stage. Resolves to whether an earlier process had begun and not finished it. */
  async begin(): Promise<boolean> {
    await removeLeftovers(this.path, { exclusive: true })
    if (await this.isBegun()) return true
    await writeJson(this.work('stage.json'), this.identity)
    return false
  }

  /** Declares the stage finished. From here on it is reused. */
  async finish(
    outcome: StageResult,
    /** What the run's log is to say of it. */
    logEntry?: object,
  ): Promise<Manifest> {
    const artifacts: Record<string, string> = {}
    const contents: Record<string, Record<string, string>> = {}
    for (const name of [...outcome.artifacts].sort()) {
      if ((await stat(this.file(name))).isFile()) {
        artifacts[name] = await hashFile(this.file(name))
        continue
      }
      const files: Record<string, string> = {}
      for (const inner of await contentNames(this.file(name))) files[inner] = await this.hashes.of(this.file(name, inner))
      artifacts[name] = hashOfFiles(files)
      contents[name] = files
    }
    const { summary, figures, notices, examples, watched } = outcome
    const folders = Object.keys(contents).length > 0 ? { contents } : {}
    const manifest: Manifest = { ...this.identity, artifacts, ...folders, summary, figures, notices, examples, watched }
    if (logEntry) await noteForLog(this.work('log.json'), logEntry)
    await writeJson(this.file('done.json'), manifest)
    await this.clearWork()
    return manifest
  }

  /** False where a file of a folder is gone. */
  private async verify(name: string, hash: string, files: Readonly<Record<string, string>> | undefined): Promise<boolean> {
    if ((await stat(this.file(name))).isFile()) {
      if ((await hashFile(this.file(name))) !== hash) throw changed(this.file(name), this.path)
      return true
    }
    if (files === undefined) throw changed(this.file(name), this.path)
    const there = await contentNames(this.file(name))
    for (const [inner, expected] of Object.entries(files)) {
      if (!there.includes(inner)) return false
      if ((await this.hashes.of(this.file(name, inner))) !== expected) throw changed(this.file(name, inner), this.path)
    }
    const added = there.find((inner) => !(inner in files))
    if (added !== undefined) throw changed(this.file(name, added), this.path, 'was not there when its stage was done')
    return true
  }
}

/** Whether a `done.json` with the right key has the parts that are read of it; its texts and figures are taken as they stand. */
function isManifest({ artifacts, contents, summary, figures, notices }: Manifest): boolean {
  const isRecord = (value: unknown, holds: (inner: unknown) => boolean) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(holds)
  const isText = (value: unknown) => typeof value === 'string'
  return (
    isRecord(artifacts, isText) &&
    (contents === undefined || isRecord(contents, (files) => isRecord(files, isText))) &&
    isText(summary) &&
    isRecord(figures, (figure) => typeof figure === 'number') &&
    Array.isArray(notices) &&
    notices.every((notice: unknown) => isRecord(notice, isText) && isText((notice as StageNotice).message))
  )
}

function changed(file: string, folder: string, what = 'is not what its stage wrote'): PlumbError {
  const message = `This file ${what}, and nothing is made from it. Put it back, or delete the folder ${path.basename(folder)} to have the stage done again.`
  return new PlumbError('PLUMB_ARTIFACT_CHANGED', message, file)
}

/** A run folder: one folder per stage and key, and a log, which alone holds times. */
export class RunStore {
  readonly hashes: ContentHashes

  private constructor(
    readonly folder: string,
    writes: boolean,
  ) {
    this.hashes = new ContentHashes(folder, writes)
  }

  static async open(folder: string): Promise<RunStore> {
    await makeFolder(folder)
    await removeLeftovers(folder)
    return new RunStore(folder, true)
  }

  /** To look only: nothing is made or written. */
  static look(folder: string): RunStore {
    return new RunStore(folder, false)
  }

  /** The folder of a stage whose artifacts are determined by `determinedBy`; it need not be there. */
  stage(stage: string, variant: string | undefined, determinedBy: unknown): StageFolder {
    // What is not there is not written down either: the key and what stands in the manifest are of the same value.
    const plain = JSON.parse(JSON.stringify(determinedBy)) as unknown
    const key = hashJson({ stage, determinedBy: plain })
    const name = [stage, ...(variant === undefined ? [] : [variant]), key.slice(0, 8)].join('-')
    const identity = { stage, ...(variant === undefined ? {} : { variant }), key, determinedBy: plain }
    return new StageFolder(path.join(this.folder, name), identity, this.hashes)
  }

  /** What differs between a stage and the last one of its name that was begun or done here; undefined where there is none. */
  async whyNew({ identity, path: own }: StageFolder): Promise<{ readonly folder: string; readonly because: string } | undefined> {
    let newest: { readonly folder: string; readonly at: number; readonly determinedBy: unknown } | undefined
    for (const name of await readdir(this.folder).catch((): string[] => [])) {
      const folder = path.join(this.folder, name)
      if (!name.startsWith(identity.stage) || folder === own) continue
      for (const file of [path.join(folder, 'done.json'), path.join(folder, 'work', 'stage.json')]) {
        const other = await readJson<StageIdentity>(file).catch(() => undefined)
        if (other?.stage !== identity.stage || other.variant !== identity.variant) continue
        const at = (await stat(file)).mtimeMs
        if (newest === undefined || at > newest.at) newest = { folder, at, determinedBy: other.determinedBy }
      }
    }
    return newest && { folder: newest.folder, because: differences(newest.determinedBy, identity.determinedBy) }
  }
}

async function exists(target: string): Promise<boolean> {
  return stat(target).then(
    () => true,
    () => false,
  )
}
