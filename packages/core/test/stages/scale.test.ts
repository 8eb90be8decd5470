import { spawnSync } from 'node:child_process'
import path from 'node:path'

const SCRIPT = path.join(__dirname, '../../../../scripts/scale.mjs')

describe('files that are larger than the memory', () => {
  // 46 MiB of questions, with their tokens and labels several times that. Stages that hold a file of them die of it in `label`.
  it('pass every stage in a heap of 128 MiB', () => {
    const sizes = ['--questions=3000', '--test=200', '--words=10', '--letters=800', '--steps=5', '--k=4', '--heap=128']
    const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, ...sizes], { encoding: 'utf8' })
    expect([status, stderr]).toEqual([0, ''])
    const stages = stdout.split('\n').flatMap((line) => (line.includes('\t') ? [line.split('\t')[0]] : []))
    expect(stages).toEqual(['stage', 'data', 'sft', 'sample', 'label', 'align reference', 'align all', 'evaluate candidates', 'evaluate VFT', 'evaluate all', 'report']) // prettier-ignore
    expect(stdout).toMatch(/^all: 200 questions, accuracy 0\.\d+$/m)
  }, 300_000)
})
