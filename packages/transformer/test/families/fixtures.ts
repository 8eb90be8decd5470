import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AdamWOptions, TokenGroup } from '@plumbline/core'
import { wordLevelTokenizerConfig, wordLevelTokenizerJson } from '@plumbline/transformer'

const FIXTURES = join(__dirname, 'fixtures')
const WORDS = Array.from({ length: 92 }, (_, i) => `w${i}`)
const SPECIALS = 4

/** What transformers computes on a case; written by `generate.py`. */
export interface ExpectedCase {
  readonly note: string
  /** By how much a log-prob changes, at most, when a feature of the case is switched off. */
  readonly bites: Readonly<Record<string, number>>
  readonly adamW: AdamWOptions
  /** Σ cotangent · log-prob. */
  readonly loss: number
  readonly groups: readonly (TokenGroup & { readonly cotangents: readonly (readonly number[])[]; readonly logProbs: readonly number[][] })[]
  readonly greedy: readonly { readonly prompt: readonly number[]; readonly tokens: readonly number[]; readonly smallestGap: number }[]
  /** Steps of the same groups and cotangents: before each step its loss and the gradient's norm; after all of them the rest. */
  readonly trajectory: {
    readonly losses: readonly number[]
    readonly gradNorms: readonly number[]
    readonly logProbs: readonly (readonly number[][])[]
    /** L2 norm of how far each tensor went. */
    readonly moved: Readonly<Record<string, number>>
  }
}

export const FAMILY_CASES: readonly string[] = readdirSync(FIXTURES).sort()

/** The folder as transformers wrote it, with `gradients.safetensors` and `expected.json` beside it. */
export const fixtureFolder = (name: string) => join(FIXTURES, name)

export function expectedCase(name: string): ExpectedCase {
  return JSON.parse(readFileSync(join(FIXTURES, name, 'expected.json'), 'utf8')) as ExpectedCase
}

/** The text of tokens under {@link ModelFolders}' tokenizer. */
export const textOf = (tokens: readonly number[]) => tokens.map((token) => WORDS[token - SPECIALS]).join(' ')

/** Copies of fixtures with a tokenizer, as a user has them; removed by `dispose`. */
export class ModelFolders {
  readonly parent = mkdtempSync(join(tmpdir(), 'plumbline-families-'))
  private made = 0

  /** @param config `legacy`: the same model as transformers 4 wrote it, without `rope_parameters`. */
  copy(name: string, config: 'current' | 'legacy' = 'current'): string {
    const folder = this.fresh(name)
    cpSync(fixtureFolder(name), folder, { recursive: true })
    if (config === 'legacy') renameSync(join(folder, 'config.legacy.json'), join(folder, 'config.json'))
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(wordLevelTokenizerJson(WORDS)))
    writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(wordLevelTokenizerConfig()))
    return folder
  }

  /** A path where nothing is yet. */
  fresh(name: string): string {
    return join(this.parent, `${this.made++}-${name}`)
  }

  dispose(): void {
    rmSync(this.parent, { recursive: true })
  }
}
