import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Policy } from '@plumbline/core'
import { wordLevelTokenizerConfig, wordLevelTokenizerJson } from '@plumbline/transformer'
import { OnnxBackend } from '../src'

const FIXTURES = join(__dirname, 'fixtures/checkpoints')
/** Written by `fixtures/make_checkpoints.py`. */
const expected = JSON.parse(readFileSync(join(FIXTURES, 'expected.json'), 'utf8')) as {
  readonly tokens: readonly number[]
  readonly prompt: number
  readonly logProbs: Readonly<Record<string, readonly number[]>>
}

const parent = mkdtempSync(join(tmpdir(), 'plumbline-checkpoints-'))
afterAll(() => rmSync(parent, { recursive: true }))

function folderOf(name: string): string {
  const folder = join(parent, name)
  cpSync(join(FIXTURES, name), folder, { recursive: true })
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(wordLevelTokenizerJson(Array.from({ length: 20 }, (_, i) => `w${i}`))))
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(wordLevelTokenizerConfig()))
  return folder
}

async function use<T>(path: string, work: (policy: Policy) => Promise<T>): Promise<T> {
  const policy = await new OnnxBackend({ threads: 1 }).open({ kind: 'folder', path })
  try {
    return await work(policy)
  } finally {
    await policy.dispose()
  }
}

const score = async (policy: Policy) => {
  const { tokens, prompt } = expected
  const [[scored]] = (await policy.logProbs([{ id: 'a', prompt: tokens.slice(0, prompt), completions: [tokens.slice(prompt)] }])) as [
    [Float32Array],
  ]
  return [...scored]
}

describe('a checkpoint scores as transformers scores it, and so does what is saved of it', () => {
  it('the table holds what it says', () => {
    expect(Object.keys(expected.logProbs).length).toBeGreaterThanOrEqual(15)
    // The cases differ from one another: none is scored by another's weights.
    expect(new Set(Object.values(expected.logProbs).map(String)).size).toBe(Object.keys(expected.logProbs).length)
  })

  it.each(Object.entries(expected.logProbs))('%s', async (name, logProbs) => {
    const saved = join(parent, `${name}-saved`)
    const found = await use(folderOf(name), async (policy) => {
      await policy.saveWeights(saved)
      return score(policy)
    })
    expect(found).toHaveLength(logProbs.length)
    for (const [i, value] of logProbs.entries()) expect(Math.abs(found[i]! - value)).toBeLessThan(1e-5 * Math.max(1, Math.abs(value)))
    expect(await use(saved, score)).toEqual(found)
    const { tie_word_embeddings: tied = false } = JSON.parse(readFileSync(join(saved, 'config.json'), 'utf8')) as {
      tie_word_embeddings?: boolean
    }
    expect(tied).toBe(name === 'tied' || name === 'tied-same-head')
  })
})
