import path from 'node:path'
import { followEvents, newestLog, PlumbError, shownPath, type RunEnd, type RunEvent } from '@plumbline/core'
import { EXIT_BUG, EXIT_INTERRUPTED, EXIT_USER } from '../errors/failure'
import { formatDuration } from '../progress/format'
import { eachNoticeOnce } from '../progress/once'
import type { ProgressRenderer } from '../progress/output'
import { namedRuns } from '../run/named-runs'

/** Shows what a run tells to those who watch. */
export interface WatchRenderer extends ProgressRenderer {
  /** The process of the run is gone without a word. */
  gone?(): void
}

export interface WatchOptions {
  /** The run folder; the configuration's when absent. */
  readonly run?: string
  readonly configFile?: string
  /** `path.to.key=value`. */
  readonly overrides: readonly string[]
  /** Each is told every event. */
  readonly renderers: readonly WatchRenderer[]
  /** Ends the watching, and leaves the run alone. */
  readonly signal: AbortSignal
  readonly pollMs?: number
  readonly silenceMs?: number
}

/** As a shell has it for a process that was killed. */
export const EXIT_GONE = 137

/**
 * Follows the newest process that works in a run folder, or shows the last one that did.
 *
 * @returns the exit code that the run has: 0, 130 where it was interrupted, 2 or 1 where it failed, and 137 where its process is gone without a word.
 *   130 as well where the watching was ended.
 * @throws PlumbError PLUMB_WATCH_TWO_RUNS, PLUMB_WATCH_NOTHING, those of `loadConfig`.
 */
export async function watchRun(options: WatchOptions): Promise<number> {
  const { renderers, signal, pollMs, silenceMs } = options
  const { run: named, configFile, overrides } = options
  const asked = { runs: named === undefined ? [] : [named], configFile, overrides }
  const [folder = ''] = await namedRuns(asked, 'is watched', 'PLUMB_WATCH_TWO_RUNS')
  const run = path.resolve(folder)
  const log = newestLog(run)
  if (log === undefined) {
    const message = `No run has told anything in ${shownPath(run)}; begin one with "plumb run", then watch it.`
    throw new PlumbError('PLUMB_WATCH_NOTHING', message, shownPath(run))
  }
  const say = (message: string): void => {
    for (const renderer of renderers) renderer.say(message)
  }
  if (log.others > 0)
    say(`${log.others} more ${log.others === 1 ? 'process works' : 'processes work'} in this run folder; this is the one that began last.`)
  const tell = renderers.map((renderer) => eachNoticeOnce((event, time) => renderer.handle(event, time)))
  const close = (): void => {
    for (const renderer of renderers) renderer.close()
  }
  try {
    for await (const followed of followEvents(log.file, { signal, pollMs, silenceMs })) {
      if (followed.type === 'caught-up') continue
      if (followed.type === 'gone') {
        close()
        for (const renderer of renderers) renderer.gone?.()
        say(goneSentence(followed.because, silenceMs))
        return EXIT_GONE
      }
      const { event } = followed
      if (event.type === 'events') continue
      const { time, ...told } = event
      for (const each of tell) each(withPaths(told, run), Date.parse(time))
      if (event.type !== 'run-end') continue
      close()
      say(endSentence(event))
      return exitCodeOf(event)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
  close()
  return EXIT_INTERRUPTED
}

/** Places are told relative to the run folder. */
function withPaths(told: RunEvent, run: string): RunEvent {
  if (told.type === 'run-start') return { ...told, run }
  return 'path' in told ? { ...told, path: path.resolve(run, told.path) } : told
}

function endSentence({ outcome, seconds, error }: RunEnd): string {
  const why = [error?.code, error?.where, error?.message].filter(Boolean).join('  ')
  switch (outcome) {
    case 'done':
      return `The run is done, after ${formatDuration(seconds)}.`
    case 'interrupted':
      return `The run was interrupted after ${formatDuration(seconds)}: ${error?.message ?? ''}`
    case 'failed':
      return `The run failed after ${formatDuration(seconds)}: ${why}`
  }
}

function goneSentence(because: 'ended' | 'silent', silenceMs = 30_000): string {
  const what =
    because === 'ended'
      ? 'The process of this run is gone without a word: it was killed, or its machine was stopped.'
      : `The process of this run cannot be seen from here, and has given no sign of life for ${Math.round(silenceMs / 1000)} s.`
  return `${what} What it has done is kept; the same "plumb run" goes on.`
}

function exitCodeOf({ outcome, error }: RunEnd): number {
  if (outcome === 'done') return 0
  if (outcome === 'interrupted') return EXIT_INTERRUPTED
  return error?.code === undefined ? EXIT_BUG : EXIT_USER
}
