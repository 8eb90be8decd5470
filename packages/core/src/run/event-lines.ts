import { CORE_VERSION } from '../version'
import type { RunEvent } from '../seams/run-events'

/** Raised when a reader of events would have to change. New types of events and new fields do not count: readers pass them over. */
export const EVENTS_VERSION = 1

/** The first line of events of each process. */
export interface EventsHeader {
  readonly type: 'events'
  readonly version: number
  /** Of Plumbline. */
  readonly plumbline: string
}

/** A line of events: what happened, and when (ISO 8601, UTC). */
export type TimedEvent = (RunEvent | EventsHeader) & { readonly time: string }

/** Every type that a line of events can have, for those who write readers and for the documentation's test. */
export const EVENT_TYPES = {
  events: true,
  'run-start': true,
  data: true,
  'stage-start': true,
  'stage-reused': true,
  progress: true,
  'stage-end': true,
  notice: true,
  'run-end': true,
} as const satisfies Record<TimedEvent['type'], true>

/** One event as a line of JSON, its newline included. */
export function eventLine(event: RunEvent, time: number): string {
  return line(event, time)
}

export function headerLine(time: number): string {
  const header: EventsHeader = { type: 'events', version: EVENTS_VERSION, plumbline: CORE_VERSION }
  return line(header, time)
}

function line(event: RunEvent | EventsHeader, time: number): string {
  return `${JSON.stringify({ time: new Date(time).toISOString(), ...event })}\n`
}

/** The event of a line; undefined for what is none of this version's: a part of a line, or a type that came later. */
export function parseEventLine(text: string): TimedEvent | undefined {
  try {
    const value = JSON.parse(text) as Partial<TimedEvent> | null
    return typeof value === 'object' && value !== null && Object.hasOwn(EVENT_TYPES, value.type ?? '') ? (value as TimedEvent) : undefined
  } catch {
    return undefined
  }
}
