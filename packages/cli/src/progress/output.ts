import type { RunEvent } from '@plumbline/core'

/** Draws a run's events somewhere. */
export interface ProgressRenderer {
  /** @param time when it happened, in milliseconds since 1970; now when absent. */
  handle(event: RunEvent, time?: number): void
  /** A line of its own between the events, e.g. the answer to Ctrl-C. */
  say(message: string): void
  /** Leaves the terminal as other output expects it. */
  close(): void
}

/** What a renderer needs of a terminal; `process.stderr` is one. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  on?(event: 'resize', listener: () => void): unknown
  off?(event: 'resize', listener: () => void): unknown
}
