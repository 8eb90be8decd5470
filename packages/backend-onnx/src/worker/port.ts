import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SHARE_ENV, Worker } from 'node:worker_threads'
import { sharesEnvironment, turnTelemetryOff, type EngineThreadData } from '../runtime/load-runtime'
import type { Request, Response } from './rpc'

/** What a client hears from its engine. */
export interface PortListener {
  message(response: Response): void
  /** Nothing more will come; waiting calls fail with this error. */
  failed(error: Error): void
  exited(): void
}

/** Where an engine runs: a thread of this process, or a process of its own. */
export interface EnginePort {
  listen(listener: PortListener): void
  post(request: Request): void
  /** Keeps this process alive, or no longer. */
  ref(): void
  unref(): void
}

/** MiB for an engine's young objects: it makes few and small ones, and dead ones made a sampling process 30 MiB larger with the default. */
const YOUNG_GENERATION_MIB = 4

export function threadPort(): EnginePort {
  // Of this process, where this thread can write it: the runtime reads no thread's copy of the environment.
  turnTelemetryOff()
  const worker = new Worker(workerFile(), {
    env: SHARE_ENV,
    workerData: { sharesEnvironment } satisfies EngineThreadData,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
  })
  return {
    listen: ({ message, failed, exited }) => {
      worker.on('message', message)
      worker.on('error', failed)
      worker.once('exit', exited)
    },
    post: (request) => worker.postMessage(request),
    ref: () => worker.ref(),
    unref: () => worker.unref(),
  }
}

/** The engine's compiled entry, also when this file runs from the sources. */
export function workerFile(): string {
  const compiled = [join(__dirname, '..', 'worker.js'), join(__dirname, '..', '..', 'dist', 'worker.js')]
  const found = compiled.find((path) => existsSync(path))
  if (!found) throw new Error(`The engine's worker is not compiled: ${compiled[1]} is missing; run npm run build`)
  return found
}
