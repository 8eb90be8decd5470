import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunReport } from '@plumbline/core'
import type { ListedRun } from '../src/run-folders/list'
import { ranges, sizeOf } from '../src/run-folders/render'
import { bytesOf } from '../src/run-folders/find'
import { folderWith, LEARNING_CONFIG, plumb, tinyProject, untilLocked } from './cli'

jest.setTimeout(180_000)

describe('plumb runs', () => {
  const cwd = tinyProject(LEARNING_CONFIG)
  const runs = async (...args: string[]) => {
    const { code, stdout, stderr } = await plumb(['runs', ...args, '--json'], { cwd })
    expect([code, stderr]).toEqual([0, ''])
    return (JSON.parse(stdout) as { runs: ListedRun[] }).runs
  }

  it('lists what is done, running, interrupted and partial, with model, seeds, stages, best row and size', async () => {
    const { stdout } = await plumb(['run', '--seeds', '0,1', '--json', '--set', 'run=runs/done'], { cwd })
    const reports = (JSON.parse(stdout) as { runs: { report: RunReport }[] }).runs
    await plumb(['run', '--stage', 'label', '--quiet', '--set', 'run=runs/partial'], { cwd })
    const killed: { running?: ListedRun[] } = {}
    await plumb(['run', '--quiet', '--set', 'run=runs/killed'], {
      cwd,
      env: { FAKE_STEP_MS: '60000' },
      started: (child) => {
        void (async () => {
          await untilLocked(join(cwd, 'runs', 'killed'))
          killed.running = await runs('runs/killed')
          child.kill('SIGKILL')
        })()
      },
    })
    expect(killed.running).toMatchObject([{ run: join('runs', 'killed'), state: 'running', stages: {} }])
    const listed = await runs()
    expect(listed.map(({ run, state }) => [run, state])).toEqual([
      [join('runs', 'killed'), 'interrupted'],
      [join('runs', 'partial'), 'partial'],
      [join('runs', 'done'), 'done'],
    ])
    const done = listed[2]!
    expect(done).toMatchObject({ model: 'model', seeds: [0, 1], stages: { sft: 2, sample: 2, label: 2, align: 4, evaluate: 8 } })
    const rows = reports[1]!.report.rows
    const best = Math.max(...rows.map(({ accuracy = NaN }) => accuracy))
    expect(done.best).toEqual({ name: rows.find(({ accuracy }) => accuracy === best)?.name, figure: 'accuracy', value: best })
    expect(done.bytes).toBe(await bytesOf(join(cwd, 'runs', 'done')))
    expect(Math.abs(Date.parse(done.when) - Date.now())).toBeLessThan(180_000)

    const text = await plumb(['runs', 'runs'], { cwd })
    expect(text.stdout).toMatch(
      /^runs[\\/]done +\d{4}-\d\d-\d\d \d\d:\d\d +done +2 sft, 2 sample, 2 label, 4 align, 8 evaluate +model +0, 1 +\S+ [\d.]+ % +[\d.]+ kB$/m,
    )
  })

  it('names the seed of a run of several rounds, and not those that its rounds draw by', async () => {
    await plumb(['run', '--quiet', '--set', 'run=runs-of-two-rounds', '--set', 'rounds=2'], { cwd })
    expect(await runs('runs-of-two-rounds')).toMatchObject([{ state: 'done', seeds: [0] }])
  })

  it('shows a run of which a file is damaged, and the others', async () => {
    const [stage = ''] = readdirSync(join(cwd, 'runs', 'partial')).filter((name) => name.startsWith('sft-'))
    writeFileSync(join(cwd, 'runs', 'partial', stage, 'done.json'), '{')
    const listed = await runs('runs')
    expect(listed.map(({ state }) => state).sort()).toEqual(['damaged', 'done', 'interrupted'])
    const { stdout } = await plumb(['runs', 'runs'], { cwd })
    expect(stdout).toMatch(/^! runs[\\/]partial: .*done\.json {2}The file is not the JSON that was written/m)
  })

  it('says where there is none', async () => {
    const empty = folderWith({ 'a.txt': '' })
    expect(await plumb(['runs'], { cwd: empty })).toMatchObject({ code: 0, stdout: 'There is no run in this folder.\n' })
    expect(await plumb(['runs', 'nowhere'], { cwd: empty })).toMatchObject({
      code: 2,
      stderr: 'PLUMB_RUNS_NO_FOLDER  nowhere  There is no such folder.\n',
    })
    expect(await plumb(['runs', 'a.txt'], { cwd: empty })).toMatchObject({
      code: 2,
      stderr: 'PLUMB_RUNS_NO_FOLDER  a.txt  Expected a folder, but this is none.\n',
    })
  })

  it('writes seeds and sizes as people read them', () => {
    expect([[3], [0, 1], [0, 1, 2, 3, 7, 9, 10]].map(ranges)).toEqual(['3', '0, 1', '0..3, 7, 9, 10'])
    expect([0, 999, 1000, 12_345, 999_600, 1_234_567_890].map(sizeOf)).toEqual(['0 B', '999 B', '1.0 kB', '12.3 kB', '1.0 MB', '1.2 GB'])
  })
})
