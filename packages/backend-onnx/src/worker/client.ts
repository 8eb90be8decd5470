import type { EngineMethods } from './engine'
import { threadPort, type EnginePort } from './port'
import { explainedError, restoreError, type Demand } from './errors'
import type { Response } from './rpc'

type Arguments<M extends keyof EngineMethods> = Parameters<EngineMethods[M]>
type Result<M extends keyof EngineMethods> = Awaited<ReturnType<EngineMethods[M]>>

interface Waiting {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
  readonly onEvent?: (event: unknown) => void
}

/** The main thread's end of an engine. Calls are served in order. */
export class EngineClient {
  private readonly exited: Promise<void>
  private readonly waiting = new Map<number, Waiting>()
  private next = 0
  private failure: Error | undefined
  /** For what the system says when the engine's thread ends or cannot begin. */
  private demand: Demand = { threads: 1 }

  constructor(private readonly port: EnginePort = threadPort()) {
    // An engine that nobody waits for does not keep the process alive.
    port.unref()
    this.exited = new Promise((resolve) => {
      port.listen({
        message: (response) => this.receive(response),
        failed: (error) => this.fail(explainedError(error, this.demand) as Error),
        exited: () => {
          this.fail(new Error('The engine was disposed'))
          resolve()
        },
      })
    })
  }

  call<M extends keyof EngineMethods>(method: M, ...args: Arguments<M>): Promise<Result<M>> {
    return this.start(method, args).done
  }

  /** A call that emits events; `abort` asks it to stop at its next step. */
  start<M extends keyof EngineMethods>(
    method: M,
    args: Arguments<M>,
    onEvent?: (event: unknown) => void,
  ): { readonly done: Promise<Result<M>>; readonly abort: () => void } {
    const id = this.next++
    const done = new Promise<Result<M>>((resolve, reject) => {
      if (this.failure) {
        reject(this.failure)
        return
      }
      if (this.waiting.size === 0) this.port.ref()
      this.waiting.set(id, { resolve: resolve as (result: unknown) => void, reject, onEvent })
      if (method === 'open') this.demand = { threads: (args as Arguments<'open'>)[2].threads }
      this.port.post({ id, method, args })
    })
    return { done, abort: () => this.port.post({ abort: id }) }
  }

  /** Resolves once the engine is gone. It leaves by itself: ending a thread during a native call would abort the process. */
  async close(): Promise<void> {
    if (!this.failure) await this.call('close').catch(() => undefined)
    this.port.ref()
    await this.exited
  }

  private receive(response: Response): void {
    const waiting = this.waiting.get(response.id)
    if (!waiting) return
    if ('event' in response) {
      waiting.onEvent?.(response.event)
      return
    }
    this.waiting.delete(response.id)
    if (this.waiting.size === 0) this.port.unref()
    if ('error' in response) waiting.reject(restoreError(response.error))
    else waiting.resolve(response.result)
  }

  private fail(error: Error): void {
    this.failure ??= error
    for (const { reject } of this.waiting.values()) reject(this.failure)
    this.waiting.clear()
  }
}
