import type { RunEvent } from '@plumbline/core'
import { printable } from '@plumbline/core/base'
import { frame, type Line } from './frame'
import { runLine } from './lines'
import type { Output, ProgressRenderer } from './output'
import type { Paint, Signs } from './terminal'
import { RunView } from './view'

const REDRAW_EVERY_MS = 80
const TICK_MS = 1_000

const ERASE_TO_END_OF_LINE = '\u001b[K'
const ERASE_BELOW = '\u001b[J'
const up = (rows: number): string => (rows === 0 ? '\r' : `\u001b[${rows}A\r`)

export interface LiveStyle {
  readonly paint: Paint
  readonly signs: Signs
}

/**
 * The list of stages, drawn over itself while a run goes on; what is said stands above it and stays. In the end the list stays too, as it is then.
 *
 * The cursor waits below the list and is never hidden, and no mode of the terminal is changed: whatever ends the process, there is nothing to put back.
 */
export class LiveRenderer implements ProgressRenderer {
  private readonly view = new RunView()
  private drawn: readonly Line[] = []
  private drawnAt = -Infinity
  private ticks: NodeJS.Timeout | undefined
  private isClosed = false

  constructor(
    private readonly output: Output,
    private readonly style: LiveStyle,
    private readonly now: () => number,
  ) {
    output.on?.('resize', this.redraw)
  }

  handle(event: RunEvent, time = this.now()): void {
    if (event.type === 'notice') {
      const { paint } = this.style
      this.say(event.level === 'warning' ? `${paint.warn('warning:')} ${printable(event.message)}` : printable(event.message), true)
      return
    }
    if (event.type === 'run-start') this.say(runLine(event))
    this.view.take(event, time)
    if (this.view.stages.length === 0) return
    this.ticks ??= setInterval(this.redraw, TICK_MS).unref()
    const isPassing = event.type === 'progress' && event.done < event.total
    if (!isPassing || this.now() - this.drawnAt >= REDRAW_EVERY_MS) this.draw()
  }

  /** Puts a line above the list. */
  say(message: string, isPrintable = false): void {
    this.draw(`${isPrintable ? message : printable(message)}\n`)
  }

  /** The run tells nothing more. */
  close(): void {
    clearInterval(this.ticks)
    this.ticks = undefined
    this.output.off?.('resize', this.redraw)
    this.view.stop()
    if (this.view.stages.length > 0) this.draw()
    this.drawn = []
    this.isClosed = true
  }

  private readonly redraw = (): void => {
    if (this.drawn.length > 0) this.draw()
  }

  private draw(above = ''): void {
    if (this.isClosed) {
      this.output.write(above)
      return
    }
    const { columns = 80, rows = 24 } = this.output
    this.drawnAt = this.now()
    // The last column stays free: what reaches it makes some terminals begin a new line.
    const lines = frame(this.view, this.drawnAt, { ...this.style, width: Math.max(1, columns - 1), height: Math.max(1, rows - 1) })
    const text = lines.map(({ text: line }) => `${line}${ERASE_TO_END_OF_LINE}\n`).join('')
    // What is said may be longer than a line; the list is out of its way first.
    const start = this.drawn.length === 0 ? '' : `${up(this.height(columns))}${above === '' ? '' : ERASE_BELOW}`
    const end = this.drawn.length === 0 && above !== '' && lines.length === 0 ? '' : ERASE_BELOW
    this.output.write(`${start}${above}${text}${end}`)
    this.drawn = lines
  }

  /** Rows that the list takes now: a terminal that became narrower has broken its lines. */
  private height(columns: number): number {
    return this.drawn.reduce((sum, { width }) => sum + Math.max(1, Math.ceil(width / Math.max(1, columns))), 0)
  }
}
