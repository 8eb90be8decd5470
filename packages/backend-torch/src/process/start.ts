import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { delimiter } from 'node:path'
import { PlumbError } from '@plumbline/core/base'
import { Channel, type Peer } from './channel'
import { PYTHON_FOLDER, shownCommand, type Command } from './command'

/** How long a process without work is kept for the next model: PyTorch takes seconds to load. */
const IDLE_MS = 60_000

interface Shared {
  readonly channel: Channel
  users: number
  idle?: NodeJS.Timeout
}

const processes = new Map<string, Shared>()

/** A process for models, and how to give it back. */
export interface Lease {
  readonly channel: Channel
  release(): void
}

/** A process that runs already, or a new one. Models of one command share it. */
export function leaseProcess(command: Command): Lease {
  const key = JSON.stringify(command)
  let shared = processes.get(key)
  if (!shared?.channel.isAlive) {
    shared = { channel: new Channel(startProcess(command), shownCommand(command)), users: 0 }
    processes.set(key, shared)
  }
  const own = shared
  own.users++
  clearTimeout(own.idle)
  let isReleased = false
  return {
    channel: own.channel,
    release: () => {
      if (isReleased) return
      isReleased = true
      if (--own.users > 0) return
      own.idle = setTimeout(() => {
        if (processes.get(key) === own) processes.delete(key)
        void own.channel.close()
      }, IDLE_MS)
      own.idle.unref()
    },
  }
}

function startProcess({ file, args }: Command): Peer {
  const { PYTHONPATH } = process.env
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PYTHONPATH: PYTHONPATH ? `${PYTHON_FOLDER}${delimiter}${PYTHONPATH}` : PYTHON_FOLDER,
      // The package's folder stays as it was installed. What Python compiles of torch is kept, unless nothing shall be.
      PYTHONDONTWRITEBYTECODE: '1',
      PLUMBLINE_KEEPS_BYTECODE: process.env.PYTHONDONTWRITEBYTECODE ? '' : '1',
    },
    // An interrupt at the terminal is for this process, which says what becomes of the run.
    detached: process.platform !== 'win32',
  })
  const exited = new Promise<string>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => reject(notStarted(file, error)))
    // Its last words are there when its pipes are closed.
    child.on('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  const streams = [child.stdin, child.stdout, child.stderr] as unknown as readonly Socket[]
  return {
    input: child.stdin,
    output: child.stdout,
    errors: child.stderr,
    exited,
    kill: () => killGroup(child),
    hold: (isHeld) => {
      for (const each of [child, ...streams]) {
        if (isHeld) each.ref()
        else each.unref()
      }
    },
  }
}

/** What was started may have started others: `torchrun` one for each GPU. */
function killGroup(child: ChildProcess): void {
  try {
    if (process.platform === 'win32' || child.pid === undefined) child.kill('SIGKILL')
    else process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It is gone already.
  }
}

function notStarted(file: string, error: NodeJS.ErrnoException): PlumbError {
  const reason = error.code === 'ENOENT' ? 'there is no such command' : error.message
  const message = `The torch backend could not start ${file}: ${reason}; expected Python 3.10 or newer with torch and transformers (backend.python, or PLUMBLINE_PYTHON, names it).`
  return new PlumbError('PLUMB_TORCH_PYTHON', message, 'backend.python', { cause: error })
}
