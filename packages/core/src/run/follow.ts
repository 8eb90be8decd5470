import { closeSync, openSync, readSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseEventLine, type TimedEvent } from './event-lines'
import { followedLogs, signOf, stateOf } from './followed-logs'

/** What comes while a run is followed. */
export type Followed =
  | { readonly type: 'event'; readonly event: TimedEvent }
  /** There is no more for now: what was told so far is known. */
  | { readonly type: 'caught-up' }
  /** The process is gone without a word: killed, or its machine is. Nothing comes after it. */
  | { readonly type: 'gone'; readonly because: 'ended' | 'silent' }

export interface FollowOptions {
  readonly signal?: AbortSignal
  readonly pollMs?: number
  /** How long a process that cannot be seen from here must give no sign of life to be taken for gone. */
  readonly silenceMs?: number
}

const POLL_MS = 250
const SILENCE_MS = 30_000
const CHUNK_BYTES = 1 << 16

/** The log to follow: the newest of a process that works, else the newest; undefined where there is none. */
export function newestLog(run: string): { readonly file: string; readonly others: number } | undefined {
  const logs = followedLogs(run)
  const at = logs.filter(({ state }) => state !== 'ended')
  const newest = at.at(-1) ?? logs.at(-1)
  return newest && { file: newest.file, others: at.filter(({ file }) => file !== newest.file).length }
}

/**
 * What a process of a run tells, from its first event on, while it tells it. Ends with the event `run-end`, or with `gone`.
 *
 * The file is looked at again and again: file systems of networks and containers tell nobody of changes.
 */
export async function* followEvents(log: string, options: FollowOptions = {}): AsyncGenerator<Followed> {
  const { signal, pollMs = POLL_MS, silenceMs = SILENCE_MS } = options
  const descriptor = openSync(log, 'r')
  try {
    const lines = new Lines(descriptor)
    let sign = { seen: signOf(log), at: performance.now() }
    for (;;) {
      // Before the last look at the file: what a process wrote before it ended is then read.
      const state = stateOf(log)
      for (const line of lines.more()) {
        const event = parseEventLine(line)
        if (event === undefined) continue
        yield { type: 'event', event }
        if (event.type === 'run-end') return
      }
      if (state === 'ended') {
        yield { type: 'gone', because: 'ended' }
        return
      }
      const seen = signOf(log)
      if (seen !== sign.seen) sign = { seen, at: performance.now() }
      if (state === 'unknown' && performance.now() - sign.at > silenceMs) {
        yield { type: 'gone', because: 'silent' }
        return
      }
      yield { type: 'caught-up' }
      await sleep(pollMs, undefined, { signal })
    }
  } finally {
    closeSync(descriptor)
  }
}

/** The lines of a file that grows, each once it is whole. */
class Lines {
  private readonly decoder = new TextDecoder()
  private offset = 0
  private rest = ''

  constructor(private readonly descriptor: number) {}

  *more(): Generator<string> {
    const buffer = Buffer.alloc(CHUNK_BYTES)
    for (;;) {
      const length = readSync(this.descriptor, buffer, 0, CHUNK_BYTES, this.offset)
      if (length === 0) return
      this.offset += length
      const lines = (this.rest + this.decoder.decode(buffer.subarray(0, length), { stream: true })).split('\n')
      this.rest = lines.pop() ?? ''
      yield* lines
    }
  }
}
