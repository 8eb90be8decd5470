import { Terminal } from '@xterm/headless'
import type { RunEvent } from '@plumbline/core'
import { createRenderer } from '../../src/progress/renderer'
import { RUN, SIGNED_STAGES, START, step } from './support'

/** A terminal emulator with a renderer on it, and what a person would see. */
function screen(cols: number, rows = 30, before = 'before') {
  const terminal = new Terminal({ cols, rows, scrollback: 1000, allowProposedApi: true, convertEol: true })
  let listener = (): void => undefined
  let time = START
  let written = ''
  const output = {
    isTTY: true,
    get columns() {
      return terminal.cols
    },
    get rows() {
      return terminal.rows
    },
    write: (text: string) => {
      written += text
      terminal.write(text)
    },
    on: (_: string, redraw: () => void) => (listener = redraw),
    off: () => (listener = () => undefined),
  }
  terminal.write(`${before}\n`)
  const renderer = createRenderer('live', output, { env: { LANG: 'en_US.UTF-8', NO_COLOR: '1' }, now: () => time })
  const settled = () => new Promise<void>((resolve) => terminal.write('', resolve))
  return {
    renderer,
    tell: (events: readonly (readonly [number, RunEvent])[]) => {
      for (const [seconds, event] of events) {
        time = START + 1000 * seconds
        renderer.handle(event)
      }
    },
    resize: async (columns: number, height = rows) => {
      await settled()
      terminal.resize(columns, height)
      listener()
    },
    type: (text: string) => terminal.write(text),
    text: () => written,
    /** Every line with what was scrolled away, without empty ones at the end. */
    lines: async () => {
      await settled()
      const { active } = terminal.buffer
      const all = Array.from({ length: active.length }, (_, n) => active.getLine(n)?.translateToString(true) ?? '')
      while (all.at(-1) === '') all.pop()
      return all
    },
    wrapped: async () => {
      await settled()
      const { active } = terminal.buffer
      return Array.from({ length: active.length }, (_, n) => active.getLine(n)?.isWrapped ?? false).some(Boolean)
    },
  }
}

const LIST = [...SIGNED_STAGES, '  stage 5 of 9']
/** Names are cut in narrow terminals. */
const begins = (lines: readonly string[]): string[] => lines.map((line) => line.trimStart().slice(0, 8).trimEnd())

it.each([40, 80, 120, 200])('draws the list over itself, at %d columns, and wraps nothing', async (cols) => {
  const { tell, lines, wrapped } = screen(cols)
  tell(RUN)
  const seen = await lines()
  const [first, ...rest] = seen
  expect(first).toBe('before')
  const list = rest.slice(-LIST.length)
  expect(begins(list)).toEqual(begins(LIST))
  // above it the one line about the run, which may take more than a row
  expect(rest.slice(0, -LIST.length).join('')).toBe('llama on onnx (CPU, 2 threads), in runs/quick')
  if (cols > 45) expect(await wrapped()).toBe(false)
})

it('puts what is said above the list, however long it is, and keeps the list whole', async () => {
  const { tell, renderer, lines } = screen(80)
  tell(RUN)
  renderer.say('x'.repeat(170))
  tell([[90, { type: 'notice', level: 'warning', message: 'seen' }]])
  tell([[91, step(50, 100, 'none')]])
  const seen = await lines()
  expect(seen.slice(2, 6)).toEqual(['x'.repeat(80), 'x'.repeat(80), 'x'.repeat(10), 'warning: seen'])
  expect(begins(seen.slice(6))).toEqual(begins(LIST))
})

it('leaves nothing behind when the terminal becomes narrower, and wider', async () => {
  const { tell, resize, lines } = screen(150)
  tell(RUN)
  for (const cols of [100, 45, 61, 180]) {
    await resize(cols)
    tell([[90, step(60, 100, 'none')]])
    const seen = await lines()
    expect(seen.join('').match(/stage 5 of 9/g)).toHaveLength(1)
    expect(seen.join('').match(/✓ sample/g)).toHaveLength(1)
    expect(begins(seen.slice(-LIST.length))).toEqual(begins(LIST))
    expect(seen[0]).toBe('before')
  }
})

it('fits into a low terminal, and scrolls nothing of it away', async () => {
  const { tell, lines } = screen(80, 6)
  tell(RUN)
  const seen = await lines()
  expect(seen.slice(0, 2)).toEqual(['before', 'llama on onnx (CPU, 2 threads), in runs/quick'])
  expect(begins(seen.slice(2))).toEqual(begins(['✓ 4 before', '▸ align none', '· evaluate', '· 3 more', '  stage 5 of 9']))
})

it('takes away what Ctrl-C left on the line below', async () => {
  const { tell, renderer, type, lines } = screen(100)
  tell(RUN)
  type('^C')
  renderer.say('Stopping after this micro-batch and saving.')
  const seen = await lines()
  expect(seen.join('\n')).not.toContain('^C')
  expect(seen[2]).toBe('Stopping after this micro-batch and saving.')
})

it('leaves the list as it is in the end, and the cursor below it', async () => {
  const { tell, renderer, type, lines } = screen(100)
  tell([...RUN, [85, { type: 'run-end', outcome: 'interrupted', seconds: 85, error: { message: 'x' } }]])
  renderer.close()
  renderer.close()
  renderer.say('The run was interrupted.')
  type('PLUMB_INTERRUPTED  …')
  const seen = await lines()
  expect(seen.at(-1)).toBe('PLUMB_INTERRUPTED  …')
  expect(seen.slice(-3, -1)).toEqual(['· evaluate none', 'The run was interrupted.'])
  expect(seen.filter((line) => line === '· evaluate none')).toHaveLength(1)
  expect(seen).toContainEqual(expect.stringMatching(/^✗ align none +stopped at 40 of 100 steps$/))
})

it('changes no mode of the terminal, so that nothing is to be put back whatever ends the process', () => {
  const { tell, renderer, text } = screen(100)
  tell(RUN)
  renderer.close()
  // moving up, erasing to the end of the line, erasing what is below
  // oxlint-disable-next-line no-control-regex
  expect(text().replaceAll(/\u001b\[(?:\d+A|K|J)/g, '')).not.toMatch(/\u001b/)
})

it('redraws at most every 80 ms while a stage goes on', () => {
  const { tell, text } = screen(100)
  tell([[0, { type: 'stage-start', stage: 'align', variant: 'none', path: '', total: 100 }]])
  const before = text().length
  tell([
    [0.08, step(1, 100, 'none')],
    [0.09, step(2, 100, 'none')],
    [0.159, step(3, 100, 'none')],
    [0.16, step(4, 100, 'none')],
  ])
  expect(
    text()
      .slice(before)
      .match(/\d+\/100/g),
  ).toEqual(['1/100', '4/100'])
})
