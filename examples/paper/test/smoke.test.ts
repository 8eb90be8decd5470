import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = async (claim: string, folder: string) =>
  promisify(execFile)(process.execPath, [
    join(__dirname, '..', 'run.mjs'),
    ...['--claim', claim, '--seeds', '1', '--smoke', '--work', folder, '--out', join(folder, 'results')],
  ])

interface Result {
  readonly seeds: readonly number[]
  readonly judged: { readonly verdict: string; readonly comparisons: readonly object[] }
  readonly runs: readonly { readonly model: string; readonly questions: number }[]
}

it('goes through a claim with rounds, writes its results, and finds everything done when it is asked again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'paper-smoke-'))
  const results = join(folder, 'results', 'tiny')
  await run('i', folder)
  expect(readdirSync(results).sort()).toEqual([
    'claim-i.json',
    'claim-i.log',
    'claim-i.md',
    'claim-i.story-twice-as-long.html',
    'claim-i.story-two-rounds.html',
  ])
  const result = JSON.parse(readFileSync(join(results, 'claim-i.json'), 'utf8')) as Result
  expect(result.seeds).toEqual([1])
  expect(result.runs.map(({ model }) => model).filter((model) => model.endsWith('+2'))).toEqual(['boundary+2', 'control+2'])
  expect(result.runs.every(({ questions }) => questions === 6)).toBe(true)
  expect(result.judged.comparisons).toHaveLength(3)
  const page = readFileSync(join(results, 'claim-i.md'), 'utf8')
  expect(page).toContain('smoke: these figures mean nothing')
  expect(page).toMatch(/\*\*Verdict: (reproduced|not|opposite|cannot tell)\.\*\*/)
  const log = readFileSync(join(results, 'claim-i.log'), 'utf8')
  expect(log).toContain('seed 1, story, two rounds: align boundary+2: 2 steps')
  expect(log).not.toContain(folder)

  await run('i', folder)
  const again = readFileSync(join(results, 'claim-i.log'), 'utf8').slice(log.length)
  expect(again).toContain('align boundary+2: found done')
  expect(again.split('\n').filter((line) => line !== '' && !/found done$|warning: /.test(line))).toEqual([])
  expect(JSON.parse(readFileSync(join(results, 'claim-i.json'), 'utf8'))).toEqual(result)
}, 180_000)
