// A worker process under watch: it answers, or it is killed.
import { fork } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { clearInterval, setInterval } from 'node:timers'
import { fileURLToPath } from 'node:url'

const WORKER = fileURLToPath(new URL('worker.mjs', import.meta.url))

/** Processor time within one input after which it is stopped, once the wall time is up too; and how long one that uses none may wait. */
const MOST_CPU_MS = 1500
const PATIENCE_MS = 60_000

/** Processor time of a process so far, where the system tells. */
function cpuMs(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  } catch {
    return undefined
  }
}

export class Watched {
  constructor(folder, name) {
    this.folder = join(folder, name)
    this.slot = join(folder, `${name}.slot`)
    mkdirSync(this.folder, { recursive: true })
    this.start()
  }

  start() {
    this.child = fork(WORKER, [this.folder, this.slot], {
      execArgv: ['--expose-gc', '--max-old-space-size=1024'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { PATH: process.env.PATH, HOME: this.folder, ORT_DISABLE_TELEMETRY: '1' },
    })
    this.said = ''
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (text) => (this.said = (this.said + text).slice(-2000)))
    this.ready = new Promise((resolve) => this.child.once('message', resolve))
    this.gone = new Promise((resolve) => this.child.once('exit', (code, signal) => resolve({ died: signal ?? code })))
  }

  /** The input it is trying now, and for how long. */
  trying() {
    const bytes = readFileSync(this.slot)
    if (bytes.length < 16 || bytes.readDoubleLE(0) < 0) return undefined
    return { index: bytes.readDoubleLE(0), ms: Date.now() - bytes.readDoubleLE(8) }
  }

  /**
   * The answer to a message; or, where the process had to be killed or died, at which input: { hung } or { died } with `index`.
   * It is started again then.
   */
  async ask(message, longestMs) {
    const up = await Promise.race([this.ready, this.gone])
    if (up.died !== undefined) throw new Error(`The worker does not start: ${this.said}`)
    let since = { index: undefined, cpu: undefined }
    let timer
    const stuck = new Promise((resolve) => {
      timer = setInterval(() => {
        const trying = this.trying()
        if (trying?.index !== since.index) since = { index: trying?.index, cpu: cpuMs(this.child.pid) }
        if (trying === undefined || trying.ms < longestMs) return
        // a machine with other work is no hang: the process must have had the time
        const used = since.cpu === undefined ? Infinity : cpuMs(this.child.pid) - since.cpu
        if (used < MOST_CPU_MS && trying.ms < longestMs + PATIENCE_MS) return
        this.child.kill('SIGKILL')
        resolve({ hung: true, index: trying.index })
      }, 100)
    })
    const answer = new Promise((resolve) => this.child.once('message', resolve))
    this.child.send(message)
    const result = await Promise.race([answer, stuck, this.gone])
    clearInterval(timer)
    if (result.hung || result.died !== undefined) {
      const last = this.trying()?.index ?? since.index
      await this.gone
      const { said } = this
      this.start()
      return { index: last, ...result, said }
    }
    return result
  }

  stop() {
    this.child.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }
}
