// Stands between a run and a server that it started: starts it in a process group of its own, with its output in a file, and ends the whole group when the
// run is gone, however that ended: standard input then closes. What became of the server is written on standard output.
//
//   node guard.mjs LOG COMMAND [ARGUMENT…]
import { spawn, spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'

/** What a server is given to end by itself. */
const GRACE_MS = 10_000
const isWindows = process.platform === 'win32'

const [log, command, ...args] = process.argv.slice(2)
const output = openSync(log, 'a')
const server = spawn(command, args, { stdio: ['ignore', output, output], detached: !isWindows })

/** What was started may have started others, which outlive it. */
function signalAll(name) {
  if (server.pid === undefined) return
  if (isWindows) {
    spawnSync('taskkill', ['/pid', String(server.pid), '/t', '/f'])
    return
  }
  try {
    process.kill(-server.pid, name)
  } catch {
    // All of them are gone.
  }
}

function leave(how) {
  signalAll('SIGKILL')
  process.stdout.write(`${how}\n`, () => process.exit(0))
}

server.on('error', (error) => leave(error.code === 'ENOENT' ? 'there is no such command' : error.message))
server.on('exit', (code, signal) => leave(signal ?? `exit code ${code}`))
process.stdin.on('error', () => undefined)
process.stdout.on('error', () => process.exit(0))
process.stdin.on('close', () => {
  signalAll('SIGTERM')
  setTimeout(() => signalAll('SIGKILL'), GRACE_MS).unref()
})
process.stdin.resume()
// The run decides when the server ends, not the terminal.
for (const name of ['SIGINT', 'SIGHUP', 'SIGTERM']) process.on(name, () => undefined)
