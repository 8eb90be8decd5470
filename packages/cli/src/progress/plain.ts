import type { RunEvent } from '@plumbline/core'
import { printable } from '@plumbline/core/base'
import { endLine, progressLine, reusedLine, runLine, startLine } from './lines'
import type { Output, ProgressRenderer } from './output'
import type { Paint } from './terminal'

const LINE_EVERY_MS = 15_000

/** Whole lines for logs: what starts and ends, and in between one line every quarter of a minute. */
export class PlainRenderer implements ProgressRenderer {
  private writtenAt = -Infinity

  constructor(
    private readonly output: Output,
    private readonly paint: Paint,
    private readonly now: () => number,
  ) {}

  handle(event: RunEvent): void {
    switch (event.type) {
      case 'run-start': {
        this.say(runLine(event))
        return
      }
      case 'stage-start': {
        this.say(startLine(event))
        return
      }
      case 'progress':
        if (this.now() - this.writtenAt >= LINE_EVERY_MS) this.say(progressLine(event))
        return
      case 'stage-end': {
        this.say(endLine(event))
        return
      }
      case 'stage-reused': {
        this.say(reusedLine(event))
        return
      }
      case 'data':
      case 'run-end':
        // What a person should know of it comes as a notice, or is printed when everything else is said.
        return
      case 'notice': {
        if (event.level === 'warning') this.write(`${this.paint.warn('warning:')} ${printable(event.message)}`)
        else this.say(event.message)
        return
      }
    }
  }

  say(message: string): void {
    this.write(printable(message))
  }

  close(): void {
    // Every line is already whole.
  }

  private write(line: string): void {
    this.writtenAt = this.now()
    this.output.write(`${line}\n`)
  }
}
