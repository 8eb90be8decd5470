import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadTokenizer } from '@plumbline/transformer'
import { writeData } from '../src/files'

const sizes = { train: 40, questions: 30, validation: 10, test: 20 }
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'plumbline-arithmetic-'))
  writeData(join(folder, 'a'), 3, sizes)
  writeData(join(folder, 'b'), 3, sizes)
})
afterAll(() => rmSync(folder, { recursive: true }))

interface Line {
  readonly prompt: string
  readonly candidates: readonly { readonly text: string }[]
}

const lines = (name: string): Line[] =>
  readFileSync(join(folder, 'a', name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text) as Line)

describe('the data folder', () => {
  it('holds the same bytes for a seed, and nothing half-written', () => {
    const files = readdirSync(join(folder, 'a'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    expect(files.map((file) => file.name).sort()).toEqual([
      'questions.jsonl',
      'test.jsonl',
      'tokenizer.json',
      'tokenizer_config.json',
      'train.jsonl',
      'validation.jsonl',
    ])
    for (const { name, parentPath } of files) {
      const path = join(parentPath, name)
      expect(readFileSync(path.replace(join(folder, 'a'), join(folder, 'b')))).toEqual(readFileSync(path))
    }
    expect(readdirSync(folder).sort()).toEqual(['a', 'b'])
  })

  it('gives chains to the problems for training and validation, and to no others', () => {
    expect(lines('train.jsonl').map((line) => line.candidates.length)).toEqual(Array(40).fill(1))
    expect(lines('validation.jsonl').map((line) => line.candidates.length)).toEqual(Array(10).fill(1))
    for (const name of ['questions.jsonl', 'test.jsonl']) {
      expect(lines(name).flatMap((line) => line.candidates)).toEqual([])
      expect(readFileSync(join(folder, 'a', name), 'utf8')).not.toContain('####')
    }
  })

  it('goes through the tokenizer and back unchanged, one token a word', async () => {
    const tokenizer = await loadTokenizer(join(folder, 'a', 'tokenizer'))
    for (const { prompt, candidates } of lines('train.jsonl')) {
      for (const text of [prompt, candidates[0]?.text ?? 'no candidate']) {
        const ids = tokenizer.encode(text)
        expect(ids).toHaveLength(text.split(' ').length)
        expect(tokenizer.decode(ids)).toBe(text)
      }
    }
  })
})
