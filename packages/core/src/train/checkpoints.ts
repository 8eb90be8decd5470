import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { PlumbError } from '../errors'
import { readText, syncFolder, writeJson } from '../run/files'
import { hashFile } from '../run/hash'
import type { Policy } from '../seams/policy'
import { makeFolder } from '../util/atomic'

/** What the loop must know beside the policy's state; the order of the data follows from the step. */
export interface LoopState {
  /** Optimizer steps done. */
  readonly step: number
  readonly completionTokens: number
}

/** `loop.json`: written last, with what the policy's files held. */
interface SavedLoop extends LoopState {
  /** Path inside `policy/` → SHA-256. */
  readonly files: Readonly<Record<string, string>>
}

const NAME = /^step-(\d+)$/
const UNFINISHED = 'unfinished'

/**
 * The last checkpoints of a training stage, two of them: should one be damaged, training goes on from the one before and ends with the
 * same bits. Policy state and loop state appear together: both are written to a folder of another name, which is then renamed.
 */
export class Checkpoints {
  constructor(private readonly folder: string) {}

  /**
   * Loads the latest checkpoint that is whole into the policy; undefined when there is none at all and training starts from the beginning.
   *
   * @param reachable the last step whose metrics are there: a later checkpoint would leave a gap in them.
   * @param say told of every checkpoint that is passed over.
   * @throws PlumbError PLUMB_CHECKPOINT_DAMAGED when there are checkpoints and none can be used.
   */
  async load(policy: Policy, reachable: number, say?: (message: string) => void): Promise<LoopState | undefined> {
    await this.open()
    const steps = await this.steps()
    let problem: unknown
    for (const [index, step] of steps.entries()) {
      try {
        const { files, ...state } = await this.check(step, reachable)
        await checkFiles(path.join(this.at(step), 'policy'), files)
        await policy.loadState(path.join(this.at(step), 'policy'))
        return state
      } catch (error) {
        problem ??= error
        const before = steps[index + 1]
        if (before !== undefined) say?.(`${sentence(error)} Training goes on from the checkpoint of step ${before}.`)
      }
    }
    if (steps.length === 0) return undefined
    const message = `${sentence(problem)} Delete the folder ${this.folder} to train this stage again from its first step.`
    throw new PlumbError('PLUMB_CHECKPOINT_DAMAGED', message, this.folder, { cause: problem })
  }

  /** Saves, and keeps the one before. */
  async save(policy: Policy, state: LoopState): Promise<void> {
    const unfinished = path.join(this.folder, UNFINISHED)
    await rm(unfinished, { recursive: true, force: true })
    // Before the new one is written, so that there is never more than one beside it on the disk.
    const [last, ...older] = (await this.steps()).filter((step) => step !== state.step)
    for (const step of older) await this.remove(step)
    await mkdir(unfinished)
    await policy.saveState(path.join(unfinished, 'policy'))
    const files = await hashFiles(path.join(unfinished, 'policy'))
    await writeJson(path.join(unfinished, 'loop.json'), { ...state, files } satisfies SavedLoop)
    await this.remove(state.step)
    await rename(unfinished, this.at(state.step))
    await syncFolder(this.folder)
    // A later one was passed over as damaged.
    if (last !== undefined && last > state.step) await this.remove(last)
  }

  private async open(): Promise<void> {
    const found = await lstat(this.folder).catch(() => undefined)
    if (found?.isSymbolicLink()) {
      const message =
        'The folder of the checkpoints is a link. Old checkpoints are deleted, and nothing is deleted behind a link; replace it by a folder.'
      throw new PlumbError('PLUMB_CHECKPOINT_LINK', message, this.folder)
    }
    await makeFolder(this.folder)
    await rm(path.join(this.folder, UNFINISHED), { recursive: true, force: true })
  }

  /** Latest first. */
  private async steps(): Promise<number[]> {
    const names = await readdir(this.folder)
    return names.flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number).sort((a, b) => b - a) // prettier-ignore
  }

  private async check(step: number, reachable: number): Promise<SavedLoop> {
    const file = path.join(this.at(step), 'loop.json')
    const saved = parse(await readText(file))
    if (saved === undefined) throw new Error(`${file} is damaged.`)
    if (saved.step !== step) throw new Error(`${file} is that of step ${saved.step}, not of step ${step}.`)
    if (step > reachable) throw new Error(`The checkpoint of step ${step} has lost its metrics: metrics.jsonl ends at step ${reachable}.`)
    return saved
  }

  private async remove(step: number): Promise<void> {
    await rm(this.at(step), { recursive: true, force: true })
  }

  private at(step: number): string {
    return path.join(this.folder, `step-${step}`)
  }
}

function parse(text: string | undefined): SavedLoop | undefined {
  try {
    const { step, completionTokens, files } = JSON.parse(text ?? '') as Partial<SavedLoop>
    const isWhole = Number.isSafeInteger(step) && Number.isSafeInteger(completionTokens) && typeof files === 'object'
    return isWhole ? ({ step, completionTokens, files } as SavedLoop) : undefined
  } catch {
    return undefined
  }
}

async function hashFiles(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const hashes: Record<string, string> = {}
  for (const entry of entries.filter((found) => found.isFile())) {
    const file = path.join(entry.parentPath, entry.name)
    hashes[path.relative(folder, file).split(path.sep).join('/')] = await hashFile(file)
  }
  return hashes
}

async function checkFiles(folder: string, expected: Readonly<Record<string, string>>): Promise<void> {
  const found = await hashFiles(folder)
  const names = new Set([...Object.keys(expected), ...Object.keys(found)])
  for (const name of names) {
    if (found[name] !== expected[name]) throw new Error(`${path.join(folder, name)} is not as it was saved.`)
  }
}

function sentence(problem: unknown): string {
  const message = problem instanceof Error ? problem.message : String(problem)
  return /[.!?]$/.test(message) ? message : `${message}.`
}
