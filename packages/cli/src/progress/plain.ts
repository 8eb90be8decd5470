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
      case 'run-start':
        return this.say(runLine(event))
      case 'stage-start':
        return this.say(startLine(event))
      case 'progress':
        if (this.now() - this.writtenAt >= LINE_EVERY_MS) this.say(progressLine(event))
        return
      case 'stage-end':
        return this.say(endLine(event))
      case 'stage-reused':
        return this.say(reusedLine(event))
      case 'notice':
        return this.say(event.level === 'warning' ? `warning: ${event.message}` : event.message)
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
