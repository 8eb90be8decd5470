import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend, OpenOptions, Policy, TokenGroup } from '@plumbline/core'
import { wordLevelTokenizerConfig, wordLevelTokenizerJson } from '@plumbline/transformer'
import { OnnxBackend } from '../../src'

/** The PyTorch peer's tiny workload, with its scores, gradients and trajectories. */
export const TINY = join(__dirname, '../fixtures/tiny')

export interface TinyGroup {
  readonly id: string
  readonly prompt: number[]
  readonly completions: number[][]
  readonly positive: boolean[]
  readonly rewards: number[]
  readonly reference: number
}

export const tinyGroups: readonly TinyGroup[] = readFileSync(join(TINY, 'groups.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as TinyGroup)

export const tokenGroups = (groups: readonly TinyGroup[]): TokenGroup[] =>
  groups.map(({ id, prompt, completions }) => ({ id, prompt, completions }))

/** The peers' tiny model with a tokenizer, which the workload has no use for, in a folder of its own. */
export class TinyModel {
  readonly folder = mkdtempSync(join(tmpdir(), 'plumbline-tiny-'))
  private readonly policies: Policy[] = []

  constructor(private readonly backend: Backend = new OnnxBackend({ threads: 1 })) {
    cpSync(join(TINY, 'model'), this.path, { recursive: true })
    const words = Array.from({ length: 508 }, (_, i) => `w${i}`)
    writeFileSync(join(this.path, 'tokenizer.json'), JSON.stringify(wordLevelTokenizerJson(words)))
    writeFileSync(join(this.path, 'tokenizer_config.json'), JSON.stringify(wordLevelTokenizerConfig()))
  }

  get path(): string {
    return join(this.folder, 'model')
  }

  async open(options: OpenOptions = {}): Promise<Policy> {
    const policy = await this.backend.open({ kind: 'folder', path: this.path }, options)
    this.policies.push(policy)
    return policy
  }

  async dispose(): Promise<void> {
    for (const policy of this.policies) await policy.dispose()
    rmSync(this.folder, { recursive: true })
  }
}
