import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { RunReport } from '@plumbline/core'
import { plumb, TINY_CONFIG, tinyProject } from './cli'

/** The page's cells by model and figure, as they stand in its markup. */
function figuresOf(page: string): Map<string, string> {
  const cells = new Map<string, string>()
  for (const [row, name = ''] of page.matchAll(/<tr data-model="([^"]*)">[^]*?<\/tr>/g))
    for (const [, figure = '', value = ''] of row.matchAll(/data-figure="([^"]*)"\s+data-value="([^"]*)"/g))
      cells.set(`${name} ${figure}`, value)
  return cells
}

// Each is a process or several, which a machine with other things to do takes its time for.
jest.setTimeout(180_000)

describe('plumb report', () => {
  const cwd = tinyProject()
  const unfinished = tinyProject()

  it('writes a finished run as a page with the figures of report.json, the questions, files and settings', async () => {
    const { stdout } = await plumb(['run', '--json'], { cwd })
    const report = JSON.parse(stdout) as RunReport
    const written = await plumb(['report', 'run', '--json'], { cwd })
    expect(written).toMatchObject({ code: 0, stderr: '' })
    const { file, bytes, sentence } = JSON.parse(written.stdout) as { file: string; bytes: number; sentence: string }
    expect(file).toBe(join(cwd, 'run', 'report.html'))
    expect(sentence).toMatch(/^The report of run is in run[\\/]report\.html \(\d+ kB\); open it in a browser\.$/)
    const page = readFileSync(file, 'utf8')
    expect(Buffer.byteLength(page)).toBe(bytes)
    const shown = figuresOf(page)
    expect(report.rows.map(({ name }) => name)).toEqual(['VFT', 'boundary', 'further-sft'])
    for (const {
      name,
      accuracy,
      versusControl,
      assessmentAccuracy,
      positivePerplexity,
      negativePerplexity,
      parseFailures,
    } of report.rows) {
      const figures = {
        accuracy,
        difference: versusControl?.difference,
        assessmentAccuracy,
        positivePerplexity,
        negativePerplexity,
        parseFailures,
      }
      for (const [figure, value] of Object.entries(figures))
        expect([name, figure, shown.get(`${name} ${figure}`)]).toEqual([name, figure, String(value ?? '')])
    }
    // what the run keeps for it: questions as texts, files by their content, the machine; no absolute path
    for (const text of ['What is 100 + 1?', 'Expected: <b>101</b>', 'train.jsonl', 'test.jsonl', 'fake', process.version])
      expect(page).toContain(text)
    for (const kept of [page, readFileSync(join(cwd, 'run', 'log.jsonl'), 'utf8')]) expect(kept).not.toContain(cwd)
    expect(page).not.toContain('What is missing')
    expect(page).not.toMatch(/(src|href)="(?!#)/)

    // the same page, byte for byte, by the configuration's own run
    const again = await plumb(['report', '--out', 'again.html'], { cwd })
    expect(again).toMatchObject({ code: 0, stderr: '' })
    expect(readFileSync(join(cwd, 'again.html'), 'utf8')).toBe(page)
  })

  it('shows an unfinished run and what it lacks; refuses one of which a file is gone', async () => {
    const cwd = unfinished
    await plumb(['run', '--stage', 'sample', '--quiet'], { cwd })
    const { code, stdout } = await plumb(['report', 'run'], { cwd })
    expect([code, stdout]).toEqual([0, expect.stringContaining('The report of run is in run') as string])
    const page = readFileSync(join(cwd, 'run', 'report.html'), 'utf8')
    for (const text of [
      'What is missing',
      'Labelling (label): not begun.',
      'Alignment (align): no variant begun.',
      'How long completions are',
    ])
      expect(page).toContain(text)

    const [stage = ''] = readdirSync(join(cwd, 'run')).filter((name) => name.startsWith('sft-'))
    rmSync(join(cwd, 'run', stage, 'metrics.jsonl'))
    const gone = await plumb(['report', 'run'], { cwd })
    expect([gone.code, gone.stderr]).toEqual([
      2,
      `PLUMB_ARTIFACT_GONE  ${join('run', stage, 'metrics.jsonl')}  This artifact is gone; "plumb run" makes it again.\n`,
    ])
    expect(readFileSync(join(cwd, 'run', 'report.html'), 'utf8')).toBe(page)
  })

  it('puts several runs into one page, in this folder', async () => {
    expect((await plumb(['run', '--quiet', '--set', 'seed=1', '--set', 'run=runs/seed-1'], { cwd })).code).toBe(0)
    const { code, stdout } = await plumb(['report', 'run', 'runs/seed-1'], { cwd })
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^The report of 2 runs is in report\.html/) as string])
    const page = readFileSync(join(cwd, 'report.html'), 'utf8')
    for (const text of ['Over all runs', '>run<', '>seed-1<', 'The seed alone.']) expect(page).toContain(text)
    const [latest] = readdirSync(join(cwd, 'run')).filter((name) => /^report-.*\.json$/.test(name))
    const earlier = await plumb(['report', join('run', latest ?? '')], { cwd })
    expect([earlier.code, earlier.stdout]).toEqual([0, expect.stringContaining((latest ?? '').replace('.json', '.html')) as string])
  })

  it('has a table and questions for each of several test sets', async () => {
    const sets = 'test: [{ path: test.jsonl, format: gsm8k, name: near }, { path: train.jsonl, format: gsm8k, name: far }]'
    const cwd = tinyProject(TINY_CONFIG.replace('test: { path: test.jsonl, format: gsm8k }', sets))
    const report = JSON.parse((await plumb(['run', '--json'], { cwd })).stdout) as RunReport
    expect((await plumb(['report', 'run'], { cwd })).code).toBe(0)
    const page = readFileSync(join(cwd, 'run', 'report.html'), 'utf8')
    const tables = page.split('<table class="sortable results">').slice(1, 4)
    for (const [t, table] of tables.entries()) {
      const rows = report.rows.map((row) => (t === 0 ? row : row.sets?.[t - 1]))
      const shown = [...table.matchAll(/data-figure="accuracy"\s+data-value="([^"]*)"/g)].map(([, value]) => value)
      expect(shown).toEqual(rows.map((row) => String(row?.accuracy)))
    }
    expect(page).not.toContain('What is missing')
    for (const text of ['Test set near, 6 questions', 'Test set far, 8 questions', '<i>near</i>', '<i>far</i>', 'evaluate boundary@far'])
      expect(page).toContain(text)
    expect(page.match(/<details class=q /g)).toHaveLength(14)
  })

  it('answers in one sentence where there is no run, or two ways of naming one', async () => {
    const none = await plumb(['report', 'nowhere'], { cwd })
    expect([none.code, none.stderr]).toEqual([
      2,
      'PLUMB_REPORT_NO_RUN  nowhere is not there. A run folder is what the configuration calls "run".\n',
    ])
    const both = await plumb(['report', 'run', '--set', 'seed=1'], { cwd })
    expect([both.code, both.stderr]).toEqual([2, expect.stringMatching(/^PLUMB_REPORT_TWO_RUNS {2}/) as string])
  })
})
