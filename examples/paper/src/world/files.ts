import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { wordLevelTokenizerConfig, wordLevelTokenizerJson } from '@plumbline/transformer'
import type { Problem, Task } from './problem'
import { drawSplits, SPLITS, type Sizes, type Split } from './splits'
import { vocabulary } from './vocabulary'

/** One line of Plumbline's k-ary format; only training problems come with their chains. */
export function line(task: Task, split: Split, index: number, { question, chain, answer }: Problem): object {
  return {
    id: `${task}-${split}-${index}`,
    prompt: question,
    answer,
    candidates: split === 'train' ? [{ text: chain, positive: true, reference: true }] : [],
  }
}

/** Writes `<split>.jsonl` of every split into a folder, whole or not at all, the same bytes for a seed; leaves one that is there. */
export function writeTask(folder: string, task: Task, seed: number, sizes: Sizes): void {
  if (existsSync(folder)) return
  writeWhole(folder, (partial) => {
    const splits = drawSplits(task, seed, sizes)
    for (const split of SPLITS) {
      const lines = splits[split].map((problem, index) => `${JSON.stringify(line(task, split, index, problem))}\n`)
      writeFileSync(join(partial, `${split}.jsonl`), lines.join(''))
    }
  })
}

/** The whole-word tokenizer as a Hugging Face folder holds it. */
export function writeTokenizer(folder: string): void {
  writeWhole(folder, (partial) => {
    writeFileSync(join(partial, 'tokenizer.json'), `${JSON.stringify(wordLevelTokenizerJson(vocabulary()), null, 1)}\n`)
    writeFileSync(join(partial, 'tokenizer_config.json'), `${JSON.stringify(wordLevelTokenizerConfig(), null, 1)}\n`)
  })
}

function writeWhole(folder: string, write: (partial: string) => void): void {
  const partial = `${folder}.partial`
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  write(partial)
  rmSync(folder, { recursive: true, force: true })
  renameSync(partial, folder)
}
