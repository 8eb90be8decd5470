import type { ReportRow, RunReport } from '@plumbline/core'
import { overGroups } from '@plumbline/report'
import type { Setting } from '../../src/seeds/plan'
import { groupRows, type FinishedRun } from '../../src/seeds/rows'
import { renderSweep } from '../../src/seeds/table'
import type { SweepReport } from '../../src/seeds/session'

/** @param rows by the name of the model: accuracy, the evaluation's folder, and the difference to the control */
function run(setting: Setting, seed: number | undefined, rows: Readonly<Record<string, readonly [number, string, number?]>>): FinishedRun {
  const report: RunReport = {
    run: 'runs/default',
    control: 'VFT',
    design: 'a design',
    notices: [],
    seconds: 1,
    rows: Object.entries(rows).map(([name, [accuracy, , difference]]): ReportRow => {
      const versus = difference === undefined ? {} : { versusControl: { difference, standardError: 0.01 } }
      return {
        name,
        questions: 100,
        accuracy,
        interval: [accuracy - 0.1, accuracy + 0.1],
        parseFailures: 0,
        assessmentAccuracy: 0.5,
        ...versus,
      }
    }),
  }
  const evaluations = new Map(Object.entries(rows).map(([name, [, folder]]) => [name, folder]))
  const title = [...Object.entries(setting).map(([key, value]) => `${key}=${value}`), ...(seed === undefined ? [] : [`seed ${seed}`])].join(
    ', ',
  )
  return { ...(seed === undefined ? {} : { seed }), setting, title, overrides: [], report, evaluations }
}

const rowsOf = (runs: readonly FinishedRun[]) => groupRows(runs).map(({ title, runs: own }) => [title, own])

describe('rows of several runs', () => {
  it('a model that a swept key has no hand in is one row, without the key', () => {
    const runs = [
      run({ b: '1' }, 0, { VFT: [0.5, 'v0'], boundary: [0.6, 'x'] }),
      run({ b: '1' }, 1, { VFT: [0.4, 'v1'], boundary: [0.5, 'y'] }),
      run({ b: '2' }, 0, { VFT: [0.5, 'v0'], boundary: [0.6, 'z'] }),
      run({ b: '2' }, 1, { VFT: [0.4, 'v1'], boundary: [0.7, 'w'] }),
    ]
    expect(rowsOf(runs)).toEqual([
      ['VFT', [0, 1]],
      ['boundary (b=1)', [0, 1]],
      ['boundary (b=2)', [2, 3]],
    ])
  })

  it('of two keys each variant keeps its own', () => {
    const settings = ['1', '2'].flatMap((b) => ['3', '4'].map((l) => ({ b, l })))
    const runs = settings.map(({ b, l }) => run({ b, l }, undefined, { VFT: [0.5, 'v'], one: [0.6, `one${b}`], two: [0.7, `two${l}`] }))
    expect(rowsOf(runs)).toEqual([
      ['VFT', [0]],
      ['one (b=1)', [0]],
      ['one (b=2)', [2]],
      ['two (l=3)', [0]],
      ['two (l=4)', [1]],
    ])
  })

  it('equal figures of different evaluations stay apart, and a swept control makes differences others', () => {
    const runs = [
      run({ b: '1' }, undefined, { VFT: [0.5, 'v1'], other: [0.5, 'o'] }),
      run({ b: '2' }, undefined, { VFT: [0.5, 'v2'], other: [0.5, 'o'] }),
    ]
    expect(rowsOf(runs)).toEqual([
      ['VFT (b=1)', [0]],
      ['VFT (b=2)', [1]],
      ['other (b=1)', [0]],
      ['other (b=2)', [1]],
    ])
  })
})

describe('the table', () => {
  const sweepOf = (runs: readonly FinishedRun[], seeds: readonly number[]): SweepReport => {
    const groups = groupRows(runs)
    const means = overGroups(runs, groups)
    return {
      run: 'runs/default',
      controls: ['VFT'],
      seeds,
      sweep: {},
      runs,
      rows: groups.map((group, g) => ({ ...means[g], ...group })),
      notices: [],
      seconds: 5,
    }
  }

  it("has means over seeds with Student's t", () => {
    const accuracies = [0.5, 0.6, 0.7]
    const runs = accuracies.map((a, seed) => run({}, seed, { VFT: [0.5, `v${seed}`], boundary: [a, `b${seed}`, a - 0.5] }))
    const text = renderSweep(sweepOf(runs, [0, 1, 2]))
    expect(text).toContain("Means over the seeds 0, 1, 2; intervals and ± are Student's t, 95 %, over seeds.")
    // s = 0.1, t(2) = 4.30265: 4.30265 · 0.1 / √3 = 0.2484
    expect(text).toMatch(/^boundary {2,}60\.0 % {2,}35\.2–84\.8 {2,}\+10\.0 ± 24\.8 {2,}0\.500 ± 0\.000/m)
    expect(text).toMatch(/^VFT {2,}50\.0 % {2,}50\.0–50\.0 {2,}control/m)
  })

  it('of single runs says that its intervals are over questions', () => {
    const text = renderSweep(sweepOf([run({ b: '1' }, undefined, { VFT: [0.5, 'v'], boundary: [0.6, 'b', 0.1] })], []))
    expect(text).toContain('One run of each setting: intervals are over questions')
    expect(text).toMatch(/^boundary \(b=1\) {2,}60\.0 % {2,}50\.0–70\.0 {2,}\+10\.0 ± 1\.0/m)
  })
})
