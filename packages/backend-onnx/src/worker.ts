import { writeSync } from 'node:fs'
import { parentPort, type MessagePort } from 'node:worker_threads'
import { Engine, type EngineMethods } from './worker/engine'
import { explainedError, serializeError } from './worker/errors'
import { answeredLine, type Request, type Response } from './worker/rpc'

/** How the engine talks to its client. */
interface Channel {
  receive(listener: (request: Request) => void): void
  send(response: Response, transfer?: readonly ArrayBuffer[]): void
  close(): void
}

/** Entry of an engine's thread or process: serves calls one after the other. */
function serve(engine: Engine, channel: Channel): void {
  const aborted = new Set<number>()
  let queue = Promise.resolve()

  const answer = async ({ id, method, args }: Extract<Request, { id: number }>) => {
    engine.context = { emit: (event) => channel.send({ id, event }), aborted: () => aborted.has(id) }
    try {
      const call = engine[method as keyof EngineMethods] as (...args: readonly unknown[]) => unknown
      const result = await call.apply(engine, [...args])
      // Log-probs are made for the caller: they move instead of being copied.
      const transfer = result instanceof Float32Array && result.buffer instanceof ArrayBuffer ? [result.buffer] : []
      channel.send({ id, result }, transfer)
    } catch (error) {
      channel.send({ id, error: serializeError(explainedError(error, engine.demand)) })
    }
    if (method === 'close') channel.close()
    aborted.delete(id)
  }

  channel.receive((request: Request) => {
    if ('abort' in request) aborted.add(request.abort)
    else queue = queue.then(() => answer(request))
  })
}

function threadChannel(port: MessagePort): Channel {
  return {
    receive: (listener) => port.on('message', listener),
    send: (response, transfer = []) => port.postMessage(response, transfer),
    close: () => port.close(),
  }
}

function processChannel(engine: Engine): Channel {
  // The terminal sends Ctrl-C to both processes; what it means is the client's to say.
  process.on('SIGINT', () => undefined)
  process.on('disconnect', () => process.exit())
  return {
    receive: (listener) => process.on('message', listener),
    send: (response) => {
      // Marks in the error stream up to where the runtime's messages belong to this answer.
      if (!('event' in response)) writeToErrorStream(answeredLine(response.id, engine.deviceBytes))
      process.send!(response)
    },
    close: () => process.disconnect(),
  }
}

/**
 * By its number: to touch `process.stderr` would make the pipe non-blocking, and lines be lost that the runtime writes to it while nobody
 * reads. Whoever made it non-blocking all the same is waited for.
 */
function writeToErrorStream(text: string): void {
  const [STDERR, PAUSE] = [2, 5]
  let bytes = Buffer.from(text)
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(STDERR, bytes))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE)
    }
  }
}

const engine = new Engine()
if (parentPort) serve(engine, threadChannel(parentPort))
else if (process.send) serve(engine, processChannel(engine))
else throw new Error('This file runs as a worker thread or as a forked process')
