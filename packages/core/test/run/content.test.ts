import { appendFile, copyFile, mkdtemp, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ContentHashes } from '../../src/run/content'
import { differences } from '../../src/run/difference'
import { hashFile } from '../../src/run/hash'

const LARGE = 1 << 21

async function largeFile(): Promise<{ run: string; file: string }> {
  const run = await mkdtemp(path.join(tmpdir(), 'plumbline-content-'))
  const file = path.join(run, 'weights.bin')
  await writeFile(file, Buffer.alloc(LARGE, 1))
  await sleep(40)
  return { run, file }
}

const remembered = async (run: string) =>
  (await readFile(path.join(run, 'log.jsonl'), 'utf8').catch(() => '')).trim().split('\n').filter(Boolean)

describe('hashes of large files', () => {
  it('are remembered, without the place of a file outside of the run', async () => {
    const { run, file } = await largeFile()
    const expected = await hashFile(file)
    expect(await new ContentHashes(run, true).of(file)).toBe(expected)
    const [line, ...others] = await remembered(run)
    expect([line, others]).toEqual([expect.stringContaining('"hashed":"weights.bin '), []])
    // a hash that is no hash shows that it is taken from there
    await writeFile(path.join(run, 'log.jsonl'), `${line!.replace(expected, 'remembered')}\n{"hashed":"torn`)
    expect(await new ContentHashes(run, true).of(file)).toBe('remembered')

    const elsewhere = await largeFile()
    await new ContentHashes(run, true).of(elsewhere.file)
    expect((await remembered(run)).join('\n')).not.toContain(elsewhere.run)
    await new ContentHashes(elsewhere.run, false).of(elsewhere.file)
    expect(await remembered(elsewhere.run)).toEqual([])
  })

  it.each([
    ['appended to', (file: string) => appendFile(file, 'x')],
    ['changed within, with its time put back', async (file: string) => {
      const { atime, mtime } = await stat(file)
      const bytes = await readFile(file)
      bytes[1000] = 2
      await writeFile(file, bytes)
      await utimes(file, atime, mtime)
    }], // prettier-ignore
    ['replaced', (file: string) => copyFile(__filename, file).then(() => appendFile(file, Buffer.alloc(LARGE)))],
  ])('are made anew for a file that was %s', async (_, change) => {
    const { run, file } = await largeFile()
    const before = await new ContentHashes(run, true).of(file)
    await change(file)
    const after = await new ContentHashes(run, true).of(file)
    expect(after).not.toBe(before)
    expect(after).toBe(await hashFile(file))
  })
})

describe('differences', () => {
  const base = {
    code: { '@plumbline/core': '0.1.0', mine: 'sha256:a' },
    model: 'a'.repeat(64),
    sft: { betas: [0.9, 0.99], steps: 3, schedule: 'cosine' },
  }

  it.each([
    [{ ...base, sft: { ...base.sft, steps: 4 } }, 'sft.steps was 3, is 4'],
    [{ ...base, sft: { ...base.sft, betas: [0.9, 0.9] } }, 'sft.betas was [0.9,0.99], is [0.9,0.9]'],
    [{ ...base, sft: { betas: base.sft.betas, steps: 3 } }, 'sft.schedule was cosine, is not set'],
    [{ ...base, model: 'b'.repeat(64) }, 'the model it starts from changed'],
    [{ ...base, code: { ...base.code, mine: 'sha256:b' } }, 'the code of plugin mine changed'],
    [{ ...base, code: { '@plumbline/core': '0.2.0', mine: 'sha256:a' } }, 'Plumbline was 0.1.0, is 0.2.0'],
    [{ ...base, code: { ...base.code, 'other.js': '1' } }, 'plugin other.js has a hand in it'],
    [{ sft: base.sft, model: base.model }, 'Plumbline has no hand in it any more; plugin mine has no hand in it any more'],
    [{ ...base, a: 1, b: 2, c: 3, d: 4 }, 'a was not set, is 1; b was not set, is 2; c was not set, is 3; and 1 more'],
    [base, ''],
  ])('%#', (after, expected) => {
    expect(differences(base, after)).toBe(expected)
  })
})
