import { fork, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { PlumbError } from '@plumbline/core/base'
import { workerFile, type EnginePort, type PortListener } from '../worker/port'
import { serializeError } from '../worker/errors'
import { parseAnsweredLine, type Request, type Response } from '../worker/rpc'
import { DeviceLog } from './log'

type Answer = Exclude<Response, { readonly event: unknown }>

/**
 * An engine in a process of its own. Which adapter was opened, and that the device ran out of memory, is written to the error
 * stream and told in no other way: a failed allocation drops the commands that need it, and the run looks as if it had
 * succeeded. So every answer waits for what was written before it.
 */
export class ProcessPort implements EnginePort {
  readonly log = new DeviceLog()
  private readonly child: ChildProcess
  private listener: PortListener | undefined
  /** Answers whose line in the error stream has not been read yet, and the other way round. */
  private readonly answers = new Map<number, Answer>()
  private readonly lines = new Map<number, number>()

  /** @param signal ends the process at once when it aborts, whatever it is at: a driver that hangs hears nothing else. */
  constructor(environment: Readonly<Record<string, string>> = {}, signal?: AbortSignal) {
    this.child = fork(workerFile(), {
      env: { ...process.env, ...environment, VK_LOADER_DEBUG: 'all' },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    signal?.addEventListener('abort', () => this.child.kill('SIGKILL'), { once: true })
    this.child.on('message', (response: Response) => {
      if ('event' in response) return this.listener?.message(response)
      this.answers.set(response.id, response)
      this.settle(response.id)
    })
    createInterface({ input: this.child.stderr! }).on('line', (line) => {
      const answered = parseAnsweredLine(line)
      if (!answered) {
        this.log.read(line)
        return
      }
      this.lines.set(answered.id, answered.deviceBytes)
      this.settle(answered.id)
    })
  }

  listen(listener: PortListener): void {
    this.listener = listener
    this.child.on('error', (error) => listener.failed(error))
    this.child.once('close', (code, signal) => {
      if (code !== 0)
        listener.failed(new PlumbError('PLUMB_DEVICE_FAILED', `The WebGPU engine's process ended (${signal ?? `exit code ${code}`}).`))
      listener.exited()
    })
  }

  post(request: Request): void {
    if (this.child.connected) this.child.send(request)
  }

  ref(): void {
    this.child.ref()
    this.child.channel?.ref()
  }

  unref(): void {
    this.child.unref()
    this.child.channel?.unref()
    ;(this.child.stderr as unknown as { unref?: () => void }).unref?.()
  }

  private settle(id: number): void {
    const answer = this.answers.get(id)
    const deviceBytes = this.lines.get(id)
    if (!answer || deviceBytes === undefined) return
    this.answers.delete(id)
    this.lines.delete(id)
    if (!this.log.error) return this.listener?.message(answer)
    const error = deviceFailure(this.log, deviceBytes)
    this.listener?.message({ id, error: serializeError(error) })
    this.listener?.failed(error)
    this.child.kill()
  }
}

function deviceFailure({ adapter, error }: DeviceLog, deviceBytes: number): PlumbError {
  const { outOfMemory, message } = error!
  const name = adapter ?? 'The WebGPU adapter'
  if (!outOfMemory) return new PlumbError('PLUMB_DEVICE_FAILED', `${name} reported an error and its results cannot be trusted: ${message}`)
  const held = (deviceBytes / 2 ** 20).toFixed(0)
  return new PlumbError(
    'PLUMB_DEVICE_OUT_OF_MEMORY',
    `${name} is out of memory: ${held} MiB of weights, gradients, optimizer state and activations were held there when it refused more ` +
      `(${message}); expected room for a micro-batch beside them (fewer microBatchTokens need less; where it is one long candidate, a lower ` +
      'lengths.maxCompletionTokens, or device: cpu, which computes such a one layer by layer).',
  )
}
