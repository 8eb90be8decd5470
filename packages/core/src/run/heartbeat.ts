import { closeSync, openSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

/**
 * Runs in a thread of its own, so that a lock gives signs of life however long the main thread computes. It touches the open file and
 * not the path: where another process has put its own lock in the place, that one must not be kept alive by this.
 */
const BEAT = `
const { parentPort, workerData } = require('node:worker_threads')
const { fstatSync, futimesSync, statSync } = require('node:fs')
const locks = new Map()
parentPort.on('message', ({ add, file, remove }) => {
  if (add !== undefined) locks.set(add, file)
  if (remove !== undefined) { locks.delete(remove); parentPort.postMessage({ removed: remove }) }
})
setInterval(() => {
  for (const [descriptor, file] of locks) {
    try {
      const now = new Date()
      futimesSync(descriptor, now, now)
      const there = statSync(file, { bigint: true, throwIfNoEntry: false })
      if (there !== undefined && there.ino !== fstatSync(descriptor, { bigint: true }).ino) {
        locks.delete(descriptor)
        parentPort.postMessage({ lost: descriptor })
      }
    } catch {} // a file system that does not answer now may do so at the next beat
  }
}, workerData.every)
`

interface Beating {
  readonly every: number
  readonly worker: Worker
  readonly lost: Map<number, () => void>
  readonly removed: Map<number, () => void>
}

const beating = new Map<number, Beating>()

/**
 * Refreshes the modification time of a file of this process until it is stopped.
 * @param onLost called once when another file has taken its place.
 */
export function startHeartbeat(file: string, every: number, onLost: () => void): () => Promise<void> {
  const descriptor = openSync(file, 'r+')
  const beat = beating.get(every) ?? start(every)
  beat.lost.set(descriptor, onLost)
  beat.worker.postMessage({ add: descriptor, file })
  return async () => {
    beat.lost.delete(descriptor)
    // The thread must have let go of the descriptor before its number can be given to another file.
    if (beating.get(every) === beat) {
      await new Promise<void>((resolve) => {
        beat.removed.set(descriptor, resolve)
        beat.worker.ref()
        beat.worker.postMessage({ remove: descriptor })
      })
    }
    beat.removed.delete(descriptor)
    // An idle thread stays for the next lock, and keeps no process from ending.
    if (beat.removed.size === 0) beat.worker.unref()
    closeSync(descriptor)
  }
}

function start(every: number): Beating {
  const worker = new Worker(BEAT, { eval: true, workerData: { every }, stdin: false, execArgv: [], env: {} })
  worker.unref()
  const beat: Beating = { every, worker, lost: new Map(), removed: new Map() }
  worker.on('message', ({ lost, removed }: { lost?: number; removed?: number }) => {
    if (removed !== undefined) beat.removed.get(removed)?.()
    if (lost !== undefined) beat.lost.get(lost)?.()
  })
  // Without its beat a lock may be taken after a while by a process that cannot see this one; nothing else depends on it.
  worker.on('error', () => undefined)
  worker.on('exit', () => {
    if (beating.get(every) === beat) beating.delete(every)
    for (const resolve of beat.removed.values()) resolve()
  })
  beating.set(every, beat)
  return beat
}
