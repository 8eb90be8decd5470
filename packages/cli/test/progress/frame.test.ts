import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { frame, type Canvas } from '../../src/progress/frame'
import { Series, sparkline } from '../../src/progress/series'
import { hasColor, canRedraw, paintOf, signsOf } from '../../src/progress/terminal'
import { RunView } from '../../src/progress/view'
import { cut, widthOf } from '../../src/progress/width'
import { folderWith } from '../cli'
import { RUN, runStart, START, step } from './support'

const NOW = START + 82_000
const unicode = signsOf({ LANG: 'en_US.UTF-8' }, 'linux')
const ascii = signsOf({ LANG: 'C' }, 'linux')

function view(events = RUN): RunView {
  const made = new RunView()
  for (const [seconds, event] of events) made.take(event, START + 1000 * seconds)
  return made
}

function draw(of: RunView, canvas: Partial<Canvas> = {}, now = NOW): string[] {
  return frame(of, now, { paint: paintOf(false), signs: unicode, width: 119, height: 40, ...canvas }).map(({ text }) => text)
}

describe('a frame', () => {
  it('shows every stage, how far it is, the courses of loss and assessment, and how far all of it is', () => {
    expect(draw(view())).toEqual([
      '✓ sft                  already done  64 steps of 16, loss 0.310',
      '✓ sample                  0:07  1200 completions for 400 questions, 0 of them duplicates',
      '✓ label                   0:00  700 right, 500 wrong',
      '✓ align boundary          0:51  100 steps of 16, loss 0.667  loss █▆▅▄▃▃▃▂▂▂▂▁▁▁▁▁  assessment ▁▁▂▂▃▄▄▅▅▆▆▇▇███',
      '▸ align none           ━━━━━━━━────────────   40/100 steps  loss 1.333  █▇▆▅▅▄▃▃▃▂▂▂▂▁▁▁  assessment 0.7  0:30 left',
      '· evaluate candidates',
      '· evaluate VFT',
      '· evaluate boundary',
      '· evaluate none',
      '  stage 5 of 9  ━━━━━━━━━━──────────  48 %  1:22 so far  more than 0:30 left',
    ])
  })

  it.each([40, 60, 80, 100, 140, 200])('fits into %d columns, colours or not, whatever it shows', (columns) => {
    for (const color of [false, true]) {
      const lines = frame(view(), NOW, { paint: paintOf(color), signs: unicode, width: columns - 1, height: 40 })
      for (const { text, width } of lines) {
        expect(widthOf(stripVTControlCharacters(text))).toBe(width)
        expect(width).toBeLessThan(columns)
      }
      expect(lines).toHaveLength(10)
      expect(lines.some(({ text }) => text !== stripVTControlCharacters(text))).toBe(color)
    }
  })

  it('keeps what is most important where the terminal is narrow', () => {
    const lines = draw(view(), { width: 39 })
    expect(lines[4]).toBe('▸ align none      40/100  0:30 left')
    expect(lines.at(-1)).toBe('  stage 5 of 9  ━━━━────  48 %')
  })

  it.each([1, 2, 3, 5, 9])('fits into %d lines, with the stage at work among them', (height) => {
    const lines = draw(view(), { height })
    expect(lines.length).toBeLessThanOrEqual(Math.max(2, height))
    expect(lines.some((line) => line.startsWith('▸ align none'))).toBe(true)
  })

  it('says how many stages stand before and behind', () => {
    expect(draw(view(), { height: 6 }).map((line) => line.slice(0, 12))).toEqual([
      '✓ 3 before  '.trimEnd(),
      '✓ align boun',
      '▸ align none',
      '· evaluate c',
      '· 3 more',
      '  stage 5 of',
    ])
  })

  it('puts a stage that was not planned before those that are still to come', () => {
    const made = view([[0, runStart]])
    made.take({ type: 'stage-start', stage: 'align', variant: 'reference', path: '/r', total: 5 }, START)
    expect(draw(made).slice(0, 2)).toEqual(['▸ align reference      ────────────────────  0/5', '· sft'])
  })

  it('shows where it was stopped', () => {
    const made = view()
    made.take({ type: 'run-end', outcome: 'interrupted', seconds: 82, error: { message: 'x' } }, NOW)
    const lines = draw(made)
    expect(lines[4]).toBe('✗ align none           stopped at 40 of 100 steps')
    expect(lines.at(-1)).toBe('· evaluate none')
  })

  it('draws with ASCII where the terminal has no more', () => {
    const text = draw(view(), { signs: ascii }).join('\n')
    // the letters of summaries aside
    expect(text).not.toMatch(/[^\n -~]/)
    expect(text).toContain('> align none           ========------------   40/100 steps  loss 1.333  assessment 0.7')
  })

  it('shows nothing of a data set or a model as a command to the terminal', () => {
    const made = new RunView()
    const evil = 'a\u001b]52;c;aGk=\u0007\u202eb\nc'
    made.take({ type: 'stage-end', stage: 'align', variant: evil, path: '', seconds: 1, summary: evil, figures: {} }, START)
    made.take({ ...step(1, 2, 'x'), stage: 'evaluate', variant: evil, metrics: { [evil]: 1 } } as never, START)
    expect(draw(made, { width: 200 }).join('\n')).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u)
    expect(draw(made)).toHaveLength(3)
  })
})

describe('what was done before', () => {
  const lines = (count: number): string =>
    Array.from({ length: count }, (_, n) => `${JSON.stringify({ step: n + 1, loss: 8 - n, assessment: n / 10 })}\n`).join('')

  it('is a part of the course: of a stage that is reused, and of one that goes on', () => {
    const folder = folderWith({ 'a/metrics.jsonl': lines(4), 'b/work/metrics.jsonl': `${lines(6)}{"step":7,"lo` })
    const made = new RunView()
    made.take({ type: 'stage-reused', stage: 'align', variant: 'a', path: join(folder, 'a'), summary: '', figures: {} }, START)
    // what came behind the checkpoint is done again
    made.take({ type: 'stage-start', stage: 'align', variant: 'b', path: join(folder, 'b'), total: 8, resumedAt: 2 }, START)
    const [a, b] = made.stages
    expect([a?.loss.points(9), b?.loss.points(9), b?.assessment.points(9)]).toEqual([
      [8, 7, 6, 5],
      [8, 7],
      [0, 0.1],
    ])
  })
})

describe('time left', () => {
  it('counts stages of the same kind by those that are done, and says that it is more where it knows nothing of others', () => {
    const made = view()
    // 30 s of the step at 82 s, one second after it was told; nothing is known of evaluation
    expect(made.timeLeft(NOW)).toEqual({ seconds: 29.5, isAtLeast: true })
    const [last] = RUN.slice(-1)
    expect(last?.[0]).toBe(81.5)
  })

  it('takes a stage that went on for what it would take from its beginning', () => {
    const stages = ['a', 'b'].map((variant) => ({ stage: 'align', variant }) as const)
    const made = new RunView()
    made.take({ ...runStart, stages } as typeof runStart, START)
    made.take({ type: 'stage-start', stage: 'align', variant: 'a', path: '', total: 100, resumedAt: 75 }, START)
    made.take({ type: 'stage-end', stage: 'align', variant: 'a', path: '', seconds: 10, summary: '', figures: {} }, START + 10_000)
    expect(made.timeLeft(START + 10_000)).toEqual({ seconds: 40, isAtLeast: false })
  })

  it('is not said where nothing is known', () => {
    expect(view([[0, runStart]]).timeLeft(START)).toBeUndefined()
    expect(draw(view([[0, runStart]])).at(-1)).toBe('  stage 1 of 9  ────────────────────  0 %  1:22 so far')
  })
})

describe('courses', () => {
  it('reach from the lowest sign to the highest', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], unicode.spark)).toBe('▁▂▃▄▅▆▇█')
    expect(sparkline([7, 0, 7], unicode.spark)).toBe('█▁█')
    expect(sparkline([2, 2], unicode.spark)).toBe('▄▄')
    expect([sparkline([1], unicode.spark), sparkline([], unicode.spark), sparkline([1, 2], [])]).toEqual(['', '', ''])
  })

  it('are means of stretches, in bounded memory', () => {
    const series = new Series()
    for (let n = 0; n < 100_000; n++) series.add(n)
    series.add(NaN)
    const points = series.points(4)
    expect(points).toHaveLength(4)
    for (const [n, point] of points.entries()) expect(Math.abs(point - (12_500 + 25_000 * n))).toBeLessThan(600)
    expect(series.last).toBe(99_999)
    expect(series.points(1e9).length).toBeLessThanOrEqual(257)
  })
})

describe('width', () => {
  it('is that of the terminal’s columns', () => {
    expect([widthOf('abc'), widthOf('七十二'), widthOf('é'), widthOf('e\u0301'), widthOf('🙂'), widthOf('━▁✓')]).toEqual([3, 6, 1, 1, 2, 3])
    expect([cut('abcdef', 4), cut('七十二', 4), cut('ab', 2), cut('ab', 0)]).toEqual(['abc…', '七…', 'ab', ''])
  })
})

describe('what a terminal has', () => {
  const tty = { isTTY: true }
  it.each([
    [tty, {}, true, true],
    [{ isTTY: false }, {}, false, false],
    [tty, { NO_COLOR: '1' }, false, true],
    [tty, { NO_COLOR: '' }, true, true],
    [tty, { TERM: 'dumb' }, false, false],
    [tty, { CI: 'true' }, false, false],
    [tty, { CI: 'false' }, true, true],
    [{ isTTY: false }, { FORCE_COLOR: '1' }, true, false],
    [{}, { FORCE_COLOR: '' }, true, false],
    [tty, { FORCE_COLOR: '0' }, false, true],
    [tty, { FORCE_COLOR: '1', NO_COLOR: '1' }, true, true],
  ])('%j with %j: colour %s, redrawn %s', (output, env, color, redrawn) => {
    expect([hasColor(output, env), canRedraw(output, env)]).toEqual([color, redrawn])
  })

  it('is ASCII on the console of Linux, in plain C, and on old Windows', () => {
    expect(signsOf({ TERM: 'linux', LANG: 'en_US.UTF-8' }, 'linux')).toBe(ascii)
    expect(signsOf({ LC_ALL: 'POSIX', LANG: 'en_US.UTF-8' }, 'darwin')).toBe(ascii)
    expect(signsOf({}, 'linux')).toBe(unicode)
    expect(signsOf({}, 'win32')).toBe(ascii)
    expect(signsOf({ WT_SESSION: 'x' }, 'win32')).toBe(unicode)
  })
})
