import type { RunEvent } from '@plumbline/core'
import { printable } from '@plumbline/core/base'
import { endLine, progressLine, reusedLine, runLine, startLine } from './lines'
import type { Output, ProgressRenderer } from './output'

const LINE_EVERY_MS = 15_000

/** Whole lines for logs: what starts and ends, and in between one line every quarter of a minute. */
export class PlainRenderer implements ProgressRenderer {
  private writtenAt = -Infinity

  constructor(
    private readonly output: Output,
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
        // What a person should know of it comes as a notice.
        return
      case 'notice': {
        this.say(event.level === 'warning' ? `warning: ${event.message}` : event.message)
        return
      }
    }
  }

  say(message: string): void {
    this.writtenAt = this.now()
    this.output.write(`${printable(message)}\n`)
  }

  close(): void {
    // Every line is already whole.
  }
}
