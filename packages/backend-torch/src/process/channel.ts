import type { Readable, Writable } from 'node:stream'
import { isPlumbError, PlumbError, type PlumbErrorCode } from '@plumbline/core/base'
import { encodeFrame, FrameReader, type Frame, type NumberArray } from './frames'
import type { Methods } from './methods'

/** Version of the frames and of what stands in them. */
export const PROTOCOL = 1

/** A process that speaks frames. */
export interface Peer {
  readonly input: Writable
  readonly output: Readable
  /** What else it says, kept for when it ends. */
  readonly errors: Readable
  /** Resolves when it is gone, with how; rejects where it could not be started. */
  readonly exited: Promise<string>
  kill(): void
  /** Whether it keeps this process alive. */
  hold(isHeld: boolean): void
}

export interface Answer<Result> {
  readonly result: Result
  readonly arrays: readonly NumberArray[]
}

export interface ChannelTimes {
  /** Milliseconds in which the first frame must come: an interpreter on a network drive takes its time. */
  readonly start: number
  /** Milliseconds without a sign of life while a call is served. */
  readonly silence: number
}

const TIMES: ChannelTimes = { start: 300_000, silence: 120_000 }
/** Of what the process said last, as much as is told when it ends. */
const LAST_LINES = 8
const LAST_BYTES = 4096

interface Waiting {
  readonly resolve: (answer: Answer<unknown>) => void
  readonly reject: (error: Error) => void
}

/** This side of a Python process. Calls are served in order; when the process ends, all that wait are told why. */
export class Channel {
  /** Resolves with the first frame. */
  readonly ready: Promise<void>
  private readonly waiting = new Map<number, Waiting>()
  private readonly reader = new FrameReader()
  private next = 0
  private failure: Error | undefined
  private said = ''
  private lastHeard = Date.now()
  private isReady = false
  private watch: NodeJS.Timeout | undefined

  constructor(
    private readonly peer: Peer,
    /** How it was started, for errors. */
    private readonly command: string,
    private readonly times: ChannelTimes = TIMES,
  ) {
    this.ready = new Promise((resolve, reject) => {
      this.waiting.set(-1, { resolve: () => resolve(), reject })
    })
    this.ready.catch(() => undefined) // whoever calls is told
    peer.output.on('data', (piece: Uint8Array) => this.hear(piece))
    peer.errors.on('data', (piece: Uint8Array) => {
      this.said = (this.said + Buffer.from(piece).toString('utf8')).slice(-LAST_BYTES)
    })
    // A pipe that breaks is told by how the process ends.
    for (const stream of [peer.input, peer.output, peer.errors]) stream.on('error', () => undefined)
    peer.exited.then(
      (how) => this.fail(this.ended(how)),
      (error: unknown) => this.fail(error as Error),
    )
    this.guard()
  }

  get isAlive(): boolean {
    return this.failure === undefined
  }

  /** @throws PlumbError what the other side says, or PLUMB_TORCH_EXITED, PLUMB_TORCH_SILENT, PLUMB_TORCH_PROTOCOL when it is gone. */
  async call<M extends keyof Methods>(
    method: M,
    params: Methods[M]['params'],
    arrays: readonly NumberArray[] = [],
  ): Promise<Answer<Methods[M]['result']>> {
    await this.ready
    return new Promise((resolve, reject) => {
      if (this.failure) {
        reject(this.failure)
        return
      }
      const id = this.next++
      this.waiting.set(id, { resolve: resolve as (answer: Answer<unknown>) => void, reject })
      this.lastHeard = Date.now()
      this.guard()
      for (const part of encodeFrame({ header: { id, method, params }, arrays })) this.peer.input.write(part)
    })
  }

  /** Lets the process go; it leaves by itself, whatever it is computing. */
  async close(): Promise<void> {
    this.failure ??= new Error('The Python process was closed')
    this.peer.input.end()
    this.guard()
    await this.peer.exited.catch(() => undefined)
  }

  private hear(piece: Uint8Array): void {
    this.lastHeard = Date.now()
    try {
      for (const frame of this.reader.push(piece)) this.receive(frame)
    } catch (error) {
      this.fail(error as Error)
      this.peer.kill()
    }
  }

  private receive({ header, arrays }: Frame): void {
    if (!this.isReady) {
      this.greet(header)
      return
    }
    const { id, result, error } = header as { readonly id?: number; readonly result?: unknown; readonly error?: RemoteError }
    const waiting = id === undefined ? undefined : this.waiting.get(id)
    if (id === undefined || !waiting) return // a heartbeat
    this.waiting.delete(id)
    this.guard()
    if (error) waiting.reject(restored(error))
    else waiting.resolve({ result, arrays })
  }

  private greet({ hello, protocol }: Frame['header']): void {
    if (hello !== 'plumbline-torch' || protocol !== PROTOCOL) {
      const message = `The Python side speaks version ${JSON.stringify(protocol ?? null)} of the protocol; expected ${PROTOCOL}. Does PYTHONPATH hold another plumbline_torch?`
      throw new PlumbError('PLUMB_TORCH_PROTOCOL', message, this.command)
    }
    this.isReady = true
    const first = this.waiting.get(-1)
    this.waiting.delete(-1)
    first?.resolve({ result: undefined, arrays: [] })
    this.guard()
  }

  /** Keeps this process alive while something is waited for, and looks whether the other one still is. */
  private guard(): void {
    const isWaiting = this.waiting.size > 0
    this.peer.hold(isWaiting)
    if (!isWaiting) {
      clearInterval(this.watch)
      this.watch = undefined
    } else if (!this.watch) {
      this.watch = setInterval(() => this.look(), Math.min(5000, this.times.silence / 4))
      this.watch.unref()
    }
  }

  private look(): void {
    const limit = this.isReady ? this.times.silence : this.times.start
    if (this.waiting.size === 0 || Date.now() - this.lastHeard < limit) return
    const message = `The Python process gave no sign of life for ${Math.round(limit / 1000)} seconds and was ended.${this.lastWords()}`
    this.fail(new PlumbError('PLUMB_TORCH_SILENT', message, this.command))
    this.peer.kill()
  }

  private ended(how: string): PlumbError {
    const killed = how.includes('SIGKILL') ? ' (the system kills a process that takes more memory than there is)' : ''
    return new PlumbError('PLUMB_TORCH_EXITED', `The Python process ended with ${how}${killed}.${this.lastWords()}`, this.command)
  }

  private lastWords(): string {
    const lines = this.said.trim().split('\n').slice(-LAST_LINES)
    return lines.join('') === '' ? '' : ` It said last:\n${lines.map((line) => `  ${line}`).join('\n')}`
  }

  private fail(error: Error): void {
    this.failure ??= error
    const all = [...this.waiting.values()]
    this.waiting.clear()
    this.guard()
    for (const { reject } of all) reject(this.failure)
  }
}

/** An error as `errors.py` describes it. */
interface RemoteError {
  readonly code: string
  readonly message: string
  readonly where?: string | null
  readonly traceback?: string
}

function restored({ code, message, where, traceback }: RemoteError): PlumbError {
  const cause = traceback === undefined ? undefined : Object.assign(new Error(message), { name: 'Python', stack: traceback })
  const error = new PlumbError(code as PlumbErrorCode, message, where ?? undefined, { cause })
  return isPlumbError(error) ? error : new PlumbError('PLUMB_TORCH_FAILED', message, where ?? undefined, { cause })
}
