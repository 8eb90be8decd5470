import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import type { Socket } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** The clients that `tracker.py` knows. */
export type Client = 'wandb' | 'trackio'

export interface Begin {
  readonly do: 'begin'
  /** Names the same run of the tracker whenever it goes on. */
  readonly id: string
  readonly name: string
  readonly group: string
  readonly kind: string
  readonly config: Readonly<Record<string, unknown>>
  /** What the client's `init` takes besides. */
  readonly options: Readonly<Record<string, unknown>>
}

export interface End {
  readonly do: 'end'
  readonly failed?: boolean
}

export type Request =
  | Begin
  | { readonly do: 'log'; readonly step: number; readonly figures: Readonly<Record<string, number>> }
  | { readonly do: 'table'; readonly name: string; readonly rows: readonly Readonly<Record<string, unknown>>[] }
  | End

export interface TrackerProcessOptions {
  readonly client: Client
  readonly python: string
  /** Gets what the client prints. */
  readonly log: string
}

type Child = ChildProcess & { readonly stdin: Socket; readonly stdout: Socket }
type Answer = { readonly ok: unknown } | { readonly error: string }

/** A tracker's Python client in a process of its own, which is asked one thing after the other. */
export class TrackerProcess {
  private readonly answers: AsyncIterator<string>

  private constructor(
    private readonly options: TrackerProcessOptions,
    private readonly child: Child,
  ) {
    this.answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    // What was written to a process that has ended: the missing answer tells of it.
    child.stdin.on('error', () => undefined)
    // Where the reporter is given up, nothing here keeps the run's process.
    for (const held of [child, child.stdin, child.stdout]) held.unref()
  }

  /** Starts Python with the client; one sentence where either is not there. */
  static async start(options: TrackerProcessOptions): Promise<TrackerProcess> {
    const { client, python, log } = options
    const printed = openSync(log, 'a')
    // A process group of its own: Ctrl-C in the terminal stops the run in order, which then tells this process of its end.
    const child = spawn(python, [path.join(__dirname, 'tracker.py'), client], {
      stdio: ['pipe', 'pipe', printed],
      detached: true,
      windowsHide: true,
      env: process.env,
    })
    closeSync(printed)
    try {
      await once(child, 'spawn')
    } catch (error) {
      throw new Error(
        `Python cannot be started for ${client} (${(error as Error).message}): install it and then "${python} -m pip install ${client}", or name another one with the option "python"`,
      )
    }
    const started = new TrackerProcess(options, child as Child)
    await started.answer()
    return started
  }

  async ask(request: Request): Promise<unknown> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`)
    return this.answer()
  }

  /** Waits for the client to finish, for a while; what it has then still to send it sends after this process has ended. */
  async end(request: End, waitMs: number): Promise<void> {
    const timer = new AbortController()
    try {
      await Promise.race([this.ask(request), sleep(waitMs, undefined, { signal: timer.signal }).catch(() => undefined)])
    } finally {
      timer.abort()
      this.giveUp()
    }
  }

  /** The end of its input ends the process, when the client has sent what it has. */
  private giveUp(): void {
    this.child.stdin.end()
    this.child.stdout.destroy()
  }

  private async answer(): Promise<unknown> {
    const { client, log } = this.options
    const next = await this.answers.next()
    if (next.done === true) throw new Error(`The Python client of ${client} ended before the run; ${log} has what it printed`)
    const answer = JSON.parse(next.value) as Answer
    if ('ok' in answer) return answer.ok
    this.giveUp()
    throw new Error(`The Python client of ${client} says: ${answer.error}`)
  }
}
