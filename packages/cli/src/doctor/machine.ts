import { statfs } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism, freemem, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { shownPath } from '@plumbline/core/base'
import type { Check } from './check'

const GIB = 2 ** 30
/** Below this a run of the quickstart's size may not finish. */
const LITTLE_MEMORY = 1 * GIB
const LITTLE_DISK = 1 * GIB

const fromHere = createRequire(__filename)

export function nodeCheck(): Check {
  return { status: 'ok', name: 'Node', detail: `${process.version} on ${process.platform} ${process.arch}` }
}

export function memoryCheck(): Check {
  const [free, total] = [freemem(), totalmem()]
  const detail = `${gib(free)} of ${gib(total)} GiB free, ${availableParallelism()} cores`
  return { status: free < LITTLE_MEMORY ? 'warning' : 'ok', name: 'Memory', detail }
}

/** Room for artifacts where the run folder is, or will be. */
export async function diskCheck(runFolder: string): Promise<Check> {
  for (let folder = runFolder; ; folder = dirname(folder)) {
    try {
      const { bavail, bsize } = await statfs(folder)
      const free = bavail * bsize
      return { status: free < LITTLE_DISK ? 'warning' : 'ok', name: 'Disk', detail: `${gib(free)} GiB free for ${shownPath(runFolder)}` }
    } catch (error) {
      if (folder === dirname(folder)) return { status: 'warning', name: 'Disk', detail: `cannot be read: ${(error as Error).message}` }
    }
  }
}

/** Whether onnxruntime's native library loads: the usual trouble is a missing package for the platform, or an old C library. */
export async function onnxRuntimeCheck(): Promise<Check> {
  const name = 'onnxruntime-node'
  try {
    // Through the backend, which turns the library's telemetry off before it loads it.
    const { runtimeVersion } = await import('@plumbline/backend-onnx')
    return { status: 'ok', name, detail: `${runtimeVersion()} loads` }
  } catch (error) {
    const [message] = (error as Error).message.split('\n')
    return { status: 'error', name, detail: `does not load: ${message}. Install it again with npm ci.` }
  }
}

/** Packages that only backend-gpu uses, and only where they are installed. */
export function optionalPeerChecks(): Check[] {
  const fromBackend = createRequire(fromHere.resolve('@plumbline/backend-gpu'))
  return ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'].map((name) => {
    try {
      const { version } = fromBackend(`${name}/package.json`) as { readonly version: string }
      return { status: 'ok', name, detail: `${version} is installed` }
    } catch {
      return { status: 'missing', name, detail: 'not installed; only the backend gpu uses it' }
    }
  })
}

function gib(bytes: number): string {
  return (bytes / GIB).toFixed(1)
}
