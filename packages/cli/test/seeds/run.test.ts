import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SweepFile, SweepReport } from '../../src/seeds/session'
import { LEARNING_CONFIG, plumb, tinyProject } from '../cli'

// Each is several processes, which a machine with other things to do takes its time for.
jest.setTimeout(180_000)

const SWEEP = ['--seeds', '0,1', '--sweep', 'align.0.beta=0.05,0.15']

const stepsIn = (log: string) => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0)
const foldersIn = (run: string, start: string) => readdirSync(run).filter((name) => new RegExp(`^${start}-[0-9a-f]{8}$`).test(name)).length
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

describe('plumb run --seeds --sweep', () => {
  const cwd = tinyProject(LEARNING_CONFIG)
  const log = join(cwd, 'steps.log')
  const loads = join(cwd, 'loads.log')
  let report: SweepReport

  beforeAll(async () => {
    const { code, stdout, stderr } = await plumb(['run', ...SWEEP, '--json'], { cwd, env: { FAKE_LOG: log, FAKE_LOADS: loads } })
    expect([code, stderr]).toEqual([0, ''])
    report = JSON.parse(stdout) as SweepReport
  })

  it('loads the plugins once to check all runs, and for each run', () => {
    expect(readFileSync(loads, 'utf8')).toHaveLength(1 + 4)
  })

  it('makes what a setting has no hand in once for each seed, all in the run folder', () => {
    const run = join(cwd, 'run')
    // stage 1 and further-sft once for each seed, boundary for each seed and beta, of 3 steps each
    expect(stepsIn(log)).toBe(3 * 2 + 3 * 2 + 3 * 4)
    const counts = Object.fromEntries(
      ['sft', 'sample', 'label', 'align-boundary', 'align-further-sft', 'evaluate-candidates', 'evaluate-VFT', 'evaluate-boundary'].map(
        (name) => [name, foldersIn(run, name)],
      ),
    )
    expect(counts).toEqual({
      sft: 2,
      sample: 2,
      label: 2,
      'align-boundary': 4,
      'align-further-sft': 2,
      'evaluate-candidates': 2,
      'evaluate-VFT': 2,
      'evaluate-boundary': 4,
    })
    expect(readdirSync(run).filter((name) => /^report-.*\.json$/.test(name))).toHaveLength(4)
  })

  it("has a row for each model and setting: the mean of its runs' own figures", () => {
    expect(report.runs.map(({ title }) => title)).toEqual([
      'align.0.beta=0.05, seed 0',
      'align.0.beta=0.05, seed 1',
      'align.0.beta=0.15, seed 0',
      'align.0.beta=0.15, seed 1',
    ])
    expect(report.rows.map(({ title, runs }) => [title, runs])).toEqual([
      ['VFT', [0, 1]],
      ['boundary (align.0.beta=0.05)', [0, 1]],
      ['boundary (align.0.beta=0.15)', [2, 3]],
      ['further-sft', [0, 1]],
    ])
    for (const { name, runs, accuracy, difference, positivePerplexity } of report.rows) {
      const own = runs.map((r) => report.runs[r]?.report.rows.find((row) => row.name === name))
      expect(accuracy?.mean).toBeCloseTo(mean(own.map((row) => row?.accuracy ?? NaN)), 12)
      expect(positivePerplexity?.mean).toBeCloseTo(mean(own.map((row) => row?.positivePerplexity ?? NaN)), 12)
      if (name !== report.controls[0])
        expect(difference?.mean).toBeCloseTo(mean(own.map((row) => row?.versusControl?.difference ?? NaN)), 12)
    }
    // models that differ: else the means above would be of equal figures
    expect(new Set(report.rows.map(({ positivePerplexity }) => positivePerplexity?.mean)).size).toBe(4)
  })

  it('leaves a summary and one page of all runs; plumb report makes the page again', async () => {
    const { key = '', page = '', summary = '' } = report
    expect([page, summary]).toEqual(['html', 'json'].map((end) => join(cwd, 'run', `sweep-${key}.${end}`)))
    const written = readFileSync(summary, 'utf8')
    expect(written).not.toContain(cwd)
    expect((JSON.parse(written) as SweepFile).rows).toEqual(report.rows)
    const html = readFileSync(page, 'utf8')
    for (const { title, accuracy } of report.rows) {
      expect(html).toMatch(
        new RegExp(`<tr data-model="${title.replace(/[().]/g, '\\$&')}">[^]*?data-figure="accuracy"\\s+data-value="${accuracy?.mean}"`),
      )
    }
    // the single values below a mean, as exact as it
    for (const { positivePerplexity: of } of report.rows)
      expect(html).toContain(`<small>${of?.values.map((value) => value.toFixed(3)).join(', ')}</small>`)
    for (const text of ['align.0.beta=0.05, seed 1', 'The setting, which the rows above have in their names.']) expect(html).toContain(text)
    expect(html).not.toContain('Not in this report')
    const again = await plumb(['report', join('run', `sweep-${key}.json`), '--out', 'again.html'], { cwd })
    expect([again.code, again.stderr]).toEqual([0, ''])
    expect(readFileSync(join(cwd, 'again.html'), 'utf8')).toBe(html)
  })

  it('the same command makes nothing again, and prints the table', async () => {
    const before = stepsIn(log)
    const { code, stdout, stderr } = await plumb(['run', ...SWEEP], { cwd, env: { FAKE_LOG: log } })
    expect([code, stepsIn(log)]).toEqual([0, before])
    expect(stderr.match(/^run \d of 4: .*$/gm)).toEqual(report.runs.map(({ title }, r) => `run ${r + 1} of 4: ${title}`))
    expect(stdout).toContain("Means over the seeds 0, 1; intervals and ± are Student's t, 95 %, over seeds.")
    for (const { title } of report.rows) expect(stdout).toContain(`\n${title}  `)
    expect(stdout).toMatch(/everything is in run\. One page of all runs: run[\\/]sweep-[0-9a-f]{8}\.html\./)
  })

  it('says where two combinations are one run', async () => {
    const { code, stdout } = await plumb(['run', '--sweep', 'sft.checkpointEvery=20,30', '--quiet'], { cwd })
    expect(code).toBe(0)
    expect(stdout).toContain(
      '! "sft.checkpointEvery=20" and "sft.checkpointEvery=30" are one and the same run: what differs between them changes no result.',
    )
    expect(stdout).toMatch(/^VFT {2}/m)
  })

  it('ends after the stage that is named, without a table', async () => {
    const { code, stdout } = await plumb(['run', '--seeds', '0,1', '--stage', 'label', '--quiet'], { cwd })
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^Done: seed 0; seed 1\.\n/) as string])
  })
})

describe('plumb run --seeds, stopped', () => {
  const finished = async (cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const { code, stdout } = await plumb([...args, '--json'], { cwd, env })
    expect(code).toBe(0)
    return (JSON.parse(stdout) as SweepReport).rows
  }

  it('by a kill in the middle goes on with the same command, and ends with the same figures', async () => {
    const [cwd, other] = [tinyProject(LEARNING_CONFIG), tinyProject(LEARNING_CONFIG)]
    const log = join(cwd, 'steps.log')
    const args = ['run', '--seeds', '0..1']
    const killed = await plumb(args, {
      cwd,
      env: { FAKE_LOG: log, FAKE_STEP_MS: '150' },
      // in stage 1 of the second seed: nine steps are those of the first
      started: (child) => {
        const timer = setInterval(() => stepsIn(log) >= 10 && child.kill('SIGKILL'), 10)
        child.on('close', () => clearInterval(timer))
      },
    })
    expect(killed.signal).toBe('SIGKILL')
    const before = stepsIn(log)
    expect(before).toBeLessThan(18)
    expect(await finished(cwd, args, { FAKE_LOG: log })).toEqual(await finished(other, args))
    // of the 18 steps those of the first seed were not taken again: at most those of the stage that was killed
    expect(stepsIn(log)).toBeGreaterThanOrEqual(18)
    expect(stepsIn(log)).toBeLessThanOrEqual(before + 9)
  })

  it('by Ctrl-C ends all runs, and says how to go on', async () => {
    const cwd = tinyProject(LEARNING_CONFIG)
    const log = join(cwd, 'steps.log')
    const { code, stderr } = await plumb(['run', '--seeds', '0..4', '--sweep', 'align.0.beta=0.05,0.15'], {
      cwd,
      env: { FAKE_LOG: log, FAKE_STEP_MS: '1000' },
      started: (child) => {
        const timer = setInterval(() => {
          if (stepsIn(log) < 1) return
          clearInterval(timer)
          child.kill('SIGINT')
        }, 10)
      },
    })
    expect(code).toBe(130)
    expect(stderr).toMatch(
      /PLUMB_INTERRUPTED {2}Stopped in sft.* Go on with: node .*run\.js run --seeds 0\.\.4 --sweep align\.0\.beta=0\.05,0\.15\n$/,
    )
    expect(stderr.match(/^run \d+ of 10/gm)).toHaveLength(1)
  })
})

describe('plumb run --seeds --sweep, refused before anything runs', () => {
  const cwd = tinyProject(LEARNING_CONFIG)
  it.each([
    [
      ['--sweep', 'align.0.bta=0.05,0.15'],
      'PLUMB_CONFIG_UNKNOWN_KEY  --sweep align.0.bta=0.05,0.15  align.0.bta is not an option of loss "ca". Did you mean "beta"?',
    ],
    [
      ['--sweep', 'sft.learningRat=1,2'],
      'PLUMB_CONFIG_UNKNOWN_KEY  --sweep sft.learningRat=1,2  sft.learningRat is not a configuration key. Did you mean "learningRate"?',
    ],
    [['--sweep', 'align.7.beta=1,2'], /^PLUMB_CONFIG_OVERRIDE {2}--sweep align\.7\.beta=1,2 {2}/],
    [['--seeds', '3..1'], 'PLUMB_SEEDS  --seeds 3..1  "3..1" ends before it begins; expected seeds as in 0..4, or 0,2,5.'],
  ] as const)('%s', async (args, expected) => {
    const { code, stdout, stderr } = await plumb(['run', ...args], { cwd })
    expect([code, stdout]).toEqual([2, ''])
    if (typeof expected === 'string') expect(stderr).toBe(`${expected}\n`)
    else expect(stderr).toMatch(expected)
    expect(existsSync(join(cwd, 'run'))).toBe(false)
  })
})
