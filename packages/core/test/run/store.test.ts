import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { writeFileAtomic } from '../../src'
import { canonicalJson, hashContent, hashJson } from '../../src/run/hash'
import { Journal } from '../../src/run/journal'
import { RunStore } from '../../src/run/store'

const newFolder = () => mkdtemp(path.join(tmpdir(), 'plumbline-run-'))

describe('hashing', () => {
  it('does not depend on the order of keys, nor on undefined', () => {
    expect(canonicalJson({ b: [{ d: 1, c: 2 }], a: undefined })).toBe('{"b":[{"c":2,"d":1}]}')
    expect(hashJson({ a: 1, b: 2 })).toBe(hashJson({ b: 2, a: 1 }))
    expect(hashJson({ a: 1 })).not.toBe(hashJson({ a: 2 }))
  })

  it('is the SHA-256 of a file', async () => {
    const file = path.join(await newFolder(), 'a')
    await writeFile(file, 'abc') // FIPS 180-2, appendix B.1
    expect(await hashContent(file)).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  it('of a folder follows names and content, not hidden files or other folders', async () => {
    const folder = await newFolder()
    await writeFile(path.join(folder, 'a'), '1')
    const before = await hashContent(folder)
    await writeFile(path.join(folder, '.hidden'), '2')
    await mkdir(path.join(folder, 'sub'))
    expect(await hashContent(folder)).toBe(before)
    await writeFile(path.join(folder, 'b'), '')
    expect(await hashContent(folder)).not.toBe(before)
    expect(await hashContent(folder, ['a'])).toBe(before)
  })
})

describe('RunStore', () => {
  const outcome = { summary: 'done', figures: { n: 1 }, notices: [], artifacts: ['a.txt'] }

  it('names a stage by what determines it, and knows when it is finished', async () => {
    const store = await RunStore.open(await newFolder())
    const stage = store.stage('sft', undefined, { seed: 1 })
    expect(path.basename(stage.path)).toMatch(/^sft-[0-9a-f]{8}$/)
    expect(await stage.finished()).toBeUndefined()
    await mkdir(stage.work(), { recursive: true })
    await writeFile(stage.file('a.txt'), 'x')
    await stage.finish(outcome)
    const same = store.stage('sft', undefined, { seed: 1 })
    expect(await same.finished()).toMatchObject({ stage: 'sft', determinedBy: { seed: 1 }, summary: 'done' })
    expect((await readdir(same.path)).sort()).toEqual(['a.txt', 'done.json'])
    const other = store.stage('sft', undefined, { seed: 2 })
    expect(other.path).not.toBe(same.path)
  })

  it('does not take a stage for finished whose artifact is gone', async () => {
    const store = await RunStore.open(await newFolder())
    const stage = store.stage('align', 'x', {})
    await mkdir(stage.path)
    await writeFile(stage.file('a.txt'), 'x')
    await stage.finish(outcome)
    await rm(stage.file('a.txt'))
    expect(await stage.finished()).toBeUndefined()
  })
})

describe('Journal', () => {
  it('reads back what was appended, and cuts off a torn end', async () => {
    const file = path.join(await newFolder(), 'deep', 'journal.jsonl')
    const first = await Journal.open<{ n: number }>(file)
    for (const n of [1, 2, 3]) await first.append({ n })
    await first.close()
    await writeFile(file, `${await readFile(file, 'utf8')}{"n":`)
    const second = await Journal.open<{ n: number }>(file)
    expect(second.records).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
    await second.append({ n: 4 })
    await second.close()
    expect(await readFile(file, 'utf8')).toBe('{"n":1}\n{"n":2}\n{"n":3}\n{"n":4}\n')
  })

  it('goes back to a number of records, as after a checkpoint', async () => {
    const file = path.join(await newFolder(), 'journal.jsonl')
    await writeFile(file, '{"text":"é"}\n{"text":"b"}\n{"text":"c"}\n')
    const journal = await Journal.open<{ text: string }>(file, 1)
    await journal.append({ text: 'x' })
    await journal.close()
    expect(await readFile(file, 'utf8')).toBe('{"text":"é"}\n{"text":"x"}\n')
  })
})

describe('writeFileAtomic', () => {
  it('replaces a file and leaves nothing else', async () => {
    const folder = await newFolder()
    await writeFileAtomic(path.join(folder, 'a'), 'one')
    await writeFileAtomic(path.join(folder, 'a'), 'two')
    expect(await readdir(folder)).toEqual(['a'])
    expect(await readFile(path.join(folder, 'a'), 'utf8')).toBe('two')
  })

  it('leaves nothing behind when it fails', async () => {
    const folder = await newFolder()
    await mkdir(path.join(folder, 'a'))
    await expect(writeFileAtomic(path.join(folder, 'a'), 'x')).rejects.toThrow()
    expect(await readdir(folder)).toEqual(['a'])
  })
})
