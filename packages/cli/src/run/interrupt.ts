/** What an interruption depends on beside its sources. */
export interface InterruptSurroundings {
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Milliseconds of a clock that does not jump. */
  readonly now?: () => number
}

/** What can ask a run to stop; `process` in production. */
export interface InterruptSources {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown
  /** Where progress goes. */
  readonly stderr: {
    on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown
    off(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown
  }
}

export interface Interruption {
  readonly signal: AbortSignal
  /** Gives the signals back to Node. */
  dispose(): void
}

/** SIGHUP is a terminal that was closed. SIGQUIT stays what it is: the end at once, with a core dump where the system makes one. */
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** npm and npx pass on what the terminal has already sent to the whole process group; a person takes longer to ask again. */
const ECHO_MS = 1000

/**
 * Turns the first SIGINT, SIGTERM or SIGHUP, or a reader of the progress that went away (`plumb run 2>&1 | head`), into an abort that the
 * pipeline answers between micro-batches, and the second signal into the end of the process. `stopAtOnce` gets that one's name.
 * Under npm the same signal within a second is the first one's echo.
 */
export function onInterrupt(
  say: (message: string) => void,
  stopAtOnce: (signal: NodeJS.Signals) => void,
  sources: InterruptSources = process,
  { env = process.env, now = () => performance.now() }: InterruptSurroundings = {},
): Interruption {
  const controller = new AbortController()
  let first: { readonly signal: NodeJS.Signals; readonly at: number } | undefined
  const onSignal = (signal: NodeJS.Signals) => {
    const isEcho = env.npm_command !== undefined && signal === first?.signal && now() - first.at < ECHO_MS
    if (isEcho) return
    if (controller.signal.aborted) {
      stopAtOnce(signal)
      return
    }
    first = { signal, at: now() }
    say('Stopping after this micro-batch and saving. Once more stops at once, losing the steps since the last checkpoint.')
    controller.abort()
  }
  const onError = ({ code }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') controller.abort()
  }
  for (const signal of SIGNALS) sources.on(signal, onSignal)
  sources.stderr.on('error', onError)
  return {
    signal: controller.signal,
    dispose: () => {
      for (const signal of SIGNALS) sources.off(signal, onSignal)
      sources.stderr.off('error', onError)
    },
  }
}

/** Ends the process by the signal's default action: `process.exit` would run a worker's teardown in the middle of native code. */
export function dieBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
