import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Collection, Garbage } from '../src/run-folders/gc'
import { bytesOf } from '../src/run-folders/find'
import { folderWith, LEARNING_CONFIG, plumb, TINY_CONFIG, tinyProject, untilLocked } from './cli'

jest.setTimeout(180_000)

const stepsIn = (log: string) => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0)
const everythingIn = (folder: string) => readdirSync(folder, { recursive: true }).map(String).sort()

describe('plumb gc', () => {
  const cwd = tinyProject(LEARNING_CONFIG)
  const run = join(cwd, 'run')
  const log = join(cwd, 'steps.log')
  const OTHER = ['--set', 'align.0.beta=0.2']
  const TEMPORARY = '.metrics.jsonl.gone-1-1.0123456789abcdef.tmp'

  const collect = async (...args: string[]): Promise<Collection> => {
    const { code, stdout, stderr } = await plumb(['gc', ...args, '--json'], { cwd })
    expect([code, stderr]).toEqual([0, ''])
    return (JSON.parse(stdout) as { runs: Collection[] }).runs[0]!
  }
  const namesOf = (garbage: readonly Garbage[], kind: Garbage['kind']) =>
    garbage
      .filter((each) => each.kind === kind)
      .map(({ path }) => path.slice(run.length + 1).replace(/-[0-9a-f]{8}$/, ''))
      .sort()
  /** Runs again and says what was done: nothing, where all is reused. */
  const rerun = async (folder: string, args: readonly string[]) => {
    const steps = join(folder, 'rerun.log')
    const { code, stderr } = await plumb(['run', ...args], { cwd: folder, env: { FAKE_LOG: steps } })
    expect(code).toBe(0)
    return { steps: stepsIn(steps), begun: stderr.match(/^\S.* starting.*$/gm) ?? [], reused: (stderr.match(/already done/g) ?? []).length }
  }

  beforeAll(async () => {
    const runs = [['--stage', 'sample', '--set', 'sample.k=2'], [], OTHER]
    // work that is never finished: killed after its first step
    await plumb(['run', '--quiet', '--stage', 'sft', '--set', 'sft.learningRate=1e-3'], {
      cwd,
      env: { FAKE_STEP_MS: '1000', FAKE_LOG: log },
      started: (child) => {
        const timer = setInterval(() => stepsIn(log) >= 1 && child.kill('SIGKILL'), 10)
        child.on('close', () => clearInterval(timer))
      },
    })
    for (const args of runs) expect((await plumb(['run', '--quiet', ...args], { cwd })).code).toBe(0)
    const stage = readdirSync(run).find((name) => name.startsWith('label-')) ?? ''
    writeFileSync(join(run, stage, TEMPORARY), 'x'.repeat(500))
    cpSync(run, join(cwd, 'copy'), { recursive: true, preserveTimestamps: true })
  })

  it('says what nothing refers to, by kind and with its bytes, and touches nothing', async () => {
    const before = everythingIn(run)
    const { garbage, keptBytes, deleted, notes } = await collect()
    expect([deleted, notes, everythingIn(run)]).toEqual([false, [], before])
    expect(namesOf(garbage, 'superseded')).toEqual(['sample'])
    expect(namesOf(garbage, 'checkpoints')).toEqual(['sft'])
    expect(namesOf(garbage, 'temporary')).toEqual([expect.stringMatching(/^label-[0-9a-f]{8}[\\/]\.metrics/) as string])
    expect(namesOf(garbage, 'reports')).toEqual([])
    for (const { path, bytes } of garbage) expect(bytes).toBe(await bytesOf(path))
    expect(keptBytes).toBe((await bytesOf(run)) - garbage.reduce((sum, { bytes }) => sum + bytes, 0))
    const { stdout } = await plumb(['gc'], { cwd })
    expect(stdout).toMatch(
      /^run:\n {2}superseded stages: [\d.]+ k?B\n {4}run[\\/]sample-[0-9a-f]{8} {2}[\d.]+ k?B {2}part of no comparison that has a report\n/,
    )
    expect(stdout).toMatch(/^ {2}temporary files: 500 B$/m)
    expect(stdout).toMatch(/can be removed: plumb gc --delete does it; [\d.]+ kB stay\.\n$/)
  })

  it('is refused while a process works in the run', async () => {
    const working = tinyProject(LEARNING_CONFIG)
    const refused: { code?: number | null; stderr?: string }[] = []
    await plumb(['run', '--quiet'], {
      cwd: working,
      env: { FAKE_STEP_MS: '60000' },
      started: (child) => {
        void (async () => {
          await untilLocked(join(working, 'run'))
          refused.push(await plumb(['gc', '--delete'], { cwd: working }))
          child.kill('SIGKILL')
        })()
      },
    })
    const sentence = expect.stringMatching(
      /^PLUMB_RUN_LOCKED {2}run[\\/]sft-[0-9a-f]{8}[\\/]\.lock {2}A run, process \d+ on .*, works here; wait for it, or stop it\.\n$/,
    ) as string
    expect(refused).toMatchObject([{ code: 2, stderr: sentence }])
    // the process is gone: its unfinished work stays, since no comparison was made since
    const { code, stdout } = await plumb(['gc', '--delete'], { cwd: working })
    expect([code, stdout]).toEqual([0, expect.stringContaining('nothing to remove') as string])
    expect((await rerun(working, [])).reused).toBe(0)
  })

  it('removes it, and every run that has a report goes on with nothing done again', async () => {
    const { garbage, deleted } = await collect('--delete')
    expect([garbage.length, deleted]).toEqual([3, true])
    for (const { path } of garbage) expect(existsSync(path)).toBe(false)
    for (const args of [[], OTHER]) {
      expect(await rerun(cwd, args)).toEqual({ steps: 0, begun: [], reused: 9 })
    }
    expect((await collect()).garbage).toEqual([])
  })

  it('--keep latest gives up earlier comparisons, and the latest goes on with nothing done again', async () => {
    // the latest is the one that ran last: with OTHER
    const reports = readdirSync(run).filter((name) => /^report-.*\.json$/.test(name))
    expect(reports).toHaveLength(2)
    const { garbage } = await collect('--keep', 'latest', '--delete')
    expect(namesOf(garbage, 'superseded')).toEqual(['align-boundary', 'evaluate-boundary'])
    expect(namesOf(garbage, 'reports')).toHaveLength(2)
    const { key } = JSON.parse(readFileSync(join(run, 'report.json'), 'utf8')) as { key: string }
    expect(
      readdirSync(run)
        .filter((name) => /^report-/.test(name))
        .sort(),
    ).toEqual([`report-${key}.json`, `report-${key}.md`])
    expect(await rerun(cwd, OTHER)).toEqual({ steps: 0, begun: [], reused: 9 })
  })

  it('removes no stage where it cannot be known what a report was made from', async () => {
    const copy = join(cwd, 'copy')
    const [evaluation = ''] = readdirSync(copy).filter((name) => name.startsWith('evaluate-VFT-'))
    cpSync(copy, join(cwd, 'lost'), { recursive: true, filter: (file) => !file.includes(evaluation), preserveTimestamps: true })
    const { garbage, notes } = await collect('lost')
    expect(new Set(garbage.map(({ kind }) => kind))).toEqual(new Set(['temporary']))
    expect(notes.at(-1)).toBe('So no stage and no report is removed. Delete such a report to have its stages looked at.')
    expect(notes[0]).toMatch(/^report-[0-9a-f]{8}\.json was compared from stages that are not in the folder any more/)
  })

  it('keeps all runs of a sweep together', async () => {
    const sweep = ['--seeds', '0,1', '--sweep', 'align.0.beta=0.05,0.3']
    await plumb(['run', '--quiet', ...sweep], { cwd })
    const { garbage } = await collect('--keep', 'latest', '--delete')
    // of the comparison before, what the sweep does not share with it
    expect(namesOf(garbage, 'superseded')).toEqual(['align-boundary', 'evaluate-boundary'])
    expect(await rerun(cwd, sweep)).toMatchObject({ steps: 0, begun: [] })
  })

  it('keeps what adapters were trained on', async () => {
    const PEFT = join(__dirname, '../../transformer/test/fixtures/peft')
    const sums = (count: number, from: number) =>
      Array.from(
        { length: count },
        (_, i) => JSON.stringify({ question: `What is ${from + i} + 1?`, answer: `#### ${from + i + 1}` }) + '\n',
      ).join('')
    const config = TINY_CONFIG.replace('fake-backend.cjs', 'adapter-backend.cjs')
      .replace('model: model', `model: ${JSON.stringify(join(PEFT, 'base'))}`)
      .replace('sft: { steps: 3', 'sft: { lora: { rank: 4 }, steps: 3')
    const folder = folderWith({ 'plumbline.config.yaml': config, 'train.jsonl': sums(8, 1), 'test.jsonl': sums(6, 50) })
    expect((await plumb(['run', '--quiet'], { cwd: folder })).code).toBe(0)
    const { stdout } = await plumb(['gc', '--delete'], { cwd: folder })
    expect(stdout).toMatch(/nothing to remove/)
    expect(await rerun(folder, [])).toEqual({ steps: 0, begun: [], reused: 9 })
  })

  it('answers in one sentence where there is no run, or two ways of naming one', async () => {
    expect(await plumb(['gc', 'nowhere'], { cwd })).toMatchObject({
      code: 2,
      stderr: 'PLUMB_GC_NO_RUN  nowhere  There is no run here: neither a report.json nor the folder of a stage.\n',
    })
    expect(await plumb(['gc', '.'], { cwd })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^PLUMB_GC_NO_RUN {2}\. {2}/) as string,
    })
    expect(await plumb(['gc', 'run', '--set', 'seed=1'], { cwd })).toMatchObject({
      code: 2,
      stderr: 'PLUMB_GC_TWO_RUNS  RUN names what is looked at; --config and --set would name another run. Leave one of them out.\n',
    })
    expect(await plumb(['gc', '--keep', 'all'], { cwd })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^PLUMB_USAGE {2}plumb gc {2}/) as string,
    })
  })
})
