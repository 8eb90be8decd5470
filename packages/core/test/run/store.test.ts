import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { canonicalJson, hashContent, hashJson } from '../../src/run/hash'
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

  it.each(['.lock', '.lock.after-763acdb0', 'work'])('knows a stage that a killed process left %s in', async (name) => {
    const stage = (await RunStore.open(await newFolder())).stage('sft', undefined, { seed: 1 })
    expect(await stage.isUntidy()).toBe(false) // not even there
    await mkdir(stage.path)
    expect(await stage.isUntidy()).toBe(false)
    await mkdir(stage.file(name))
    expect(await stage.isUntidy()).toBe(true)
  })

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

  it.each([
    ['no artifacts', { artifacts: null }],
    ['a list of artifacts', { artifacts: ['a.txt'] }],
    ['a number for a hash', { artifacts: { 'a.txt': 1 } }],
    ['contents that are none', { contents: { 'a.txt': 'x' } }],
    ['no figures', { figures: null }],
    ['a text for a figure', { figures: { n: '1' } }],
    ['no notices', { notices: undefined }],
    ['a notice that is a text', { notices: ['x'] }],
    ['no summary', { summary: 7 }],
  ])('names a done.json that has %s', async (_, change) => {
    const store = await RunStore.open(await newFolder())
    const stage = store.stage('align', 'x', {})
    await mkdir(stage.path)
    await writeFile(stage.file('a.txt'), 'x')
    const manifest = await stage.finish(outcome)
    await writeFile(stage.file('done.json'), JSON.stringify({ ...manifest, ...change }))
    await expect(stage.finished()).rejects.toMatchObject({ code: 'PLUMB_ARTIFACT_DAMAGED', where: stage.file('done.json') })
  })

  it('does not take a folder for the file that a stage wrote', async () => {
    const store = await RunStore.open(await newFolder())
    const stage = store.stage('align', 'x', {})
    await mkdir(stage.path)
    await writeFile(stage.file('a.txt'), 'x')
    await stage.finish(outcome)
    await rm(stage.file('a.txt'))
    await mkdir(stage.file('a.txt'))
    await expect(stage.finished()).rejects.toMatchObject({ code: 'PLUMB_ARTIFACT_CHANGED', where: stage.file('a.txt') })
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
