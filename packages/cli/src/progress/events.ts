import { closeSync, openSync, writeSync } from 'node:fs'
import type { RunEvent } from '@plumbline/core'
import { eventLine, headerLine } from '@plumbline/core/base'
import { UserError } from '../errors/user-error'
import type { Output, ProgressRenderer } from './output'

/** Where `--events` asks for events: a file, or, without one, stderr, in the place of the progress that people read. */
export interface EventsTarget {
  readonly file?: string
}

/**
 * What `--events` says: `ndjson` or `ndjson:FILE`.
 * @throws UserError PLUMB_EVENTS_FORMAT
 */
export function parseEvents(text: string): EventsTarget {
  const [, file] = /^ndjson(?::(.+))?$/s.exec(text) ?? []
  if (text !== 'ndjson' && file === undefined) {
    const message = `"${text}" is no way to write events; --events takes ndjson (to stderr, in the place of the progress) or ndjson:FILE.`
    throw new UserError('PLUMB_EVENTS_FORMAT', message, '--events')
  }
  return file === undefined ? {} : { file }
}

/** Every event as one line of JSON on an output, and what is said between them as a notice. */
export class EventsRenderer implements ProgressRenderer {
  constructor(
    private readonly output: Output,
    private readonly now: () => number,
  ) {
    output.write(headerLine(now()))
  }

  handle(event: RunEvent): void {
    this.output.write(eventLine(event, this.now()))
  }

  say(message: string): void {
    this.handle({ type: 'notice', level: 'info', message })
  }

  close(): void {
    // Every line is already whole.
  }
}

/** A file to which events are added: a run that goes on writes into the same one, and each process begins with a header. */
export class EventsFile {
  private descriptor: number | undefined

  constructor(
    private readonly file: string,
    private readonly warn: (message: string) => void,
    private readonly now: () => number = Date.now,
  ) {
    this.descriptor = openSync(file, 'a')
    this.write(headerLine(now()))
  }

  handle(event: RunEvent): void {
    this.write(eventLine(event, this.now()))
  }

  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor)
    this.descriptor = undefined
  }

  private write(text: string): void {
    if (this.descriptor === undefined) return
    try {
      writeSync(this.descriptor, text)
    } catch (error) {
      this.close()
      this.warn(`warning: No more events are written to ${this.file}: ${(error as Error).message}.`)
    }
  }
}
