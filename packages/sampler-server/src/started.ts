import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger, SamplerContext } from '@plumbline/core'
import { PlumbError, shownPath } from '@plumbline/core/base'
import { Client } from './client'
import type { Provider, Running } from './sampler'

const GUARD = join(__dirname, '..', 'guard.mjs')
const COMMAND = ['vllm', 'serve', '{model}', '--host', '127.0.0.1', '--port', '{port}']
/** How often a server that starts is asked whether it is there. */
const ASKED_EVERY_MS = 250
/** Of its log, as much as an error tells. */
const LAST_LINES = 8

export interface StartOptions {
  readonly command?: readonly string[] | undefined
  readonly args: readonly string[]
  /** Seconds. */
  readonly startTimeout: number
  /** The run folder. */
  readonly folder: string
  readonly logger?: Pick<Logger, 'info'>
}

/** Starts a server on the stage's model. It ends with the stage, and with this process however that ends. */
export function startedOn(options: StartOptions): Provider {
  return async (context) => {
    const { command = COMMAND, args, folder, logger } = options
    const own = join(folder, 'server')
    await mkdir(own, { recursive: true })
    await removeLeft(own)
    const model = await modelFolder(context, join(own, `model-${process.pid}`))
    const port = await freePort()
    const words = [...command, ...args].map((word) => word.replaceAll('{model}', model.path).replaceAll('{port}', String(port)))
    const log = join(own, `${process.pid}.log`)
    await (await open(log, 'w')).close()
    logger?.info(`Starting ${words.join(' ')}; what it says is in ${shownPath(log)}.`)
    const server = new Guarded(words, log)
    const running: Running = {
      url: `http://127.0.0.1:${port}`,
      ended: () => server.failure,
      stop: async () => {
        await server.stop()
        await model.remove()
      },
    }
    try {
      await answers(running, server, options, log, context.signal)
      return running
    } catch (error) {
      await running.stop?.()
      throw error
    }
  }
}

/** A model folder that a server can open: the stage's own, or a copy where the model is no folder (an adapter, random weights). */
async function modelFolder({ model, policy }: SamplerContext, copy: string): Promise<{ path: string; remove(): Promise<void> }> {
  if (model?.kind === 'folder') return { path: model.path, remove: () => Promise.resolve() }
  await policy.saveWeights(copy)
  return { path: copy, remove: () => rm(copy, { recursive: true, force: true }) }
}

/** Copies of models that a process left which was killed. */
async function removeLeft(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = Number(/^model-(\d+)/.exec(name)?.[1])
    if (Number.isNaN(pid) || (pid !== process.pid && isAlive(pid))) continue
    await rm(join(folder, name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A server behind `guard.mjs`. */
class Guarded {
  private readonly guard: ChildProcessByStdio<Writable, Readable, null>
  private readonly gone: Promise<void>
  private said = ''
  private isStopping = false
  /** Why it does not answer any more. */
  failure: PlumbError | undefined

  constructor(words: readonly string[], log: string) {
    this.guard = spawn(process.execPath, [GUARD, log, ...words], {
      stdio: ['pipe', 'pipe', 'ignore'],
      // An interrupt at the terminal is for the run, which says what becomes of the server.
      detached: process.platform !== 'win32',
    })
    this.guard.stdin.on('error', () => undefined)
    this.guard.stdout.setEncoding('utf8').on('data', (text: string) => (this.said += text))
    this.gone = new Promise((resolve) => {
      const end = async (how: string): Promise<void> => {
        if (!this.isStopping) this.failure = await ended(how, words, log)
        resolve()
      }
      this.guard.on('error', (error) => void end(error.message))
      this.guard.on('close', (code, signal) => void end(this.said.trim() === '' ? (signal ?? `exit code ${code}`) : this.said.trim()))
    })
    // Whoever waits for an answer keeps this process alive, and nobody else need.
    for (const handle of this.handles) handle.unref()
  }

  private get handles(): readonly Pick<Socket, 'ref' | 'unref'>[] {
    const { guard } = this
    return [guard, guard.stdin, guard.stdout] as unknown as readonly Socket[]
  }

  async stop(): Promise<void> {
    this.isStopping = true
    for (const handle of this.handles) handle.ref()
    this.guard.stdin.end()
    await this.gone
  }
}

async function ended(how: string, words: readonly string[], log: string): Promise<PlumbError> {
  const text = await readFile(log, 'utf8').catch(() => '')
  const lines = text.trim().split('\n').slice(-LAST_LINES)
  const last = lines.join('') === '' ? '' : ` It said last:\n${lines.map((line) => `  ${line}`).join('\n')}`
  const hint = how === 'there is no such command' ? ` (${words[0]}); expected vLLM to be installed, or command to start the server` : ''
  return new PlumbError('PLUMB_SERVER_EXITED', `The server that was started is gone: ${how}${hint}.${last}`, shownPath(log))
}

/** Waits until the server is healthy. @throws PlumbError PLUMB_SERVER_EXITED, PLUMB_SERVER_START */
async function answers(
  { url }: Running,
  server: Guarded,
  { startTimeout }: StartOptions,
  log: string,
  signal?: AbortSignal,
): Promise<void> {
  const client = new Client({ url, retries: 0, timeout: Math.min(startTimeout, 10), concurrency: 1 })
  const until = Date.now() + startTimeout * 1000
  try {
    while ((await client.status('/health', signal)) !== 200) {
      if (server.failure) throw server.failure
      if (Date.now() > until) {
        const message = `The server that was started did not answer GET /health within ${startTimeout} seconds (startTimeout); it was ended.`
        throw new PlumbError('PLUMB_SERVER_START', message, shownPath(log))
      }
      await sleep(ASKED_EVERY_MS, undefined, { signal }).catch(() => signal?.throwIfAborted())
    }
  } finally {
    client.close()
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
