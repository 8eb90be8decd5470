import type { RunEvent } from '@plumbline/core'
import { printable } from '@plumbline/core/base'
import { endLine, progressLine, reusedLine, runLine, startLine } from './lines'
import type { Output, ProgressRenderer } from './output'

const REDRAW_EVERY_MS = 80
const ERASE_LINE = '\r\u001b[2K'

/** One line that is rewritten while a stage works and stays, in its final form, when the stage is done. */
export class LiveRenderer implements ProgressRenderer {
  private current = ''
  private drawnAt = -Infinity

  constructor(
    private readonly output: Output,
    private readonly now: () => number,
  ) {}

  handle(event: RunEvent): void {
    switch (event.type) {
      case 'run-start': {
        this.settle(runLine(event))
        return
      }
      case 'stage-start': {
        this.redraw(startLine(event), true)
        return
      }
      case 'progress': {
        this.redraw(progressLine(event), event.done === event.total)
        return
      }
      case 'stage-end': {
        this.settle(endLine(event))
        return
      }
      case 'stage-reused': {
        this.settle(reusedLine(event))
        return
      }
      case 'data':
        // What a person should know of it comes as a notice.
        return
      case 'notice': {
        this.say(event.level === 'warning' ? `warning: ${event.message}` : event.message)
        return
      }
    }
  }

  /** Puts a line above the one that is being redrawn. */
  say(message: string): void {
    const line = this.current
    this.settle(message)
    if (line !== '') this.redraw(line, true)
  }

  close(): void {
    if (this.current !== '') this.output.write('\n')
    this.current = ''
  }

  private settle(line: string): void {
    this.output.write(`${this.current === '' ? '' : ERASE_LINE}${printable(line)}\n`)
    this.current = ''
  }

  private redraw(line: string, force: boolean): void {
    this.current = line
    const now = this.now()
    if (!force && now - this.drawnAt < REDRAW_EVERY_MS) return
    this.drawnAt = now
    // A line that wraps could not be erased again, so it is cut one short of the width.
    this.output.write(
      ERASE_LINE +
        printable(line)
          .replaceAll('\n', ' ')
          .slice(0, Math.max(20, (this.output.columns ?? 80) - 1)),
    )
  }
}
