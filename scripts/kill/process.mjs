// One process of `plumb run`, and ways to end it.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { clearTimeout } from 'node:timers'
import { fileURLToPath } from 'node:url'

const BIN = fileURLToPath(new URL('../../packages/cli/bin/run.js', import.meta.url))
const PRELOAD = fileURLToPath(new URL('preload.cjs', import.meta.url))
/** A run takes seconds; one that does not end is a finding as well. */
const LONGEST_MS = 300_000

/** What a run prints once a stage begins or goes on. */
const AT_WORK = /starting|continu|resum/i

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Runs `plumb run` in `folder`.
 * @param hook what the preload is told (see preload.cjs); none when absent
 * @param end called with the process and what ends its wait: sends the signals
 */
export async function plumbRun(folder, { hook, end } = {}) {
  const note = join(folder, 'kill-note.txt')
  const env = {
    PATH: process.env.PATH,
    HOME: join(folder, 'home'),
    NO_COLOR: '1',
    ...(hook ? { PLUMB_KILL: JSON.stringify({ note, root: folder, ...hook }), NODE_OPTIONS: `--require ${PRELOAD}` } : {}),
  }
  const child = spawn(process.execPath, [BIN, 'run', '--config', 'plumbline.config.json'], {
    cwd: folder,
    env,
    detached: true, // a process group of its own
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  let working
  const atWork = new Promise((resolve) => (working = resolve))
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text
    if (AT_WORK.test(said)) working()
  })
  const closed = new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  let over = false
  void closed.then(() => (over = true))
  const watchdog = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), LONGEST_MS)
  const send = (signal, group = false) => {
    if (!over) process.kill(group ? -child.pid : child.pid, signal)
  }
  const sleep = (ms) => Promise.race([wait(ms), closed])
  if (end) await end({ send, sleep, works: () => Promise.race([atWork, closed]) })
  const outcome = await closed
  clearTimeout(watchdog)
  const calls = hook && existsSync(note) ? readFileSync(note, 'utf8').split('\n').filter(Boolean) : []
  return { ...outcome, said, calls }
}

/** Where a run stands, from its folder and what it printed. */
export function phase(folder, said) {
  if (!AT_WORK.test(said)) return 'start-up'
  const run = join(folder, 'run')
  const stages = readdirSync(run, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const open = stages.filter(({ name }) => !existsSync(join(run, name, 'done.json')))
  if (open.length === 0) return existsSync(join(run, 'report.json')) ? 'report' : 'between stages'
  const last = open.at(-1)
  const name = open.length === 1 ? last.name : (open.find((entry) => existsSync(join(run, entry.name, 'work'))) ?? last).name
  return name.replace(/-[0-9a-f]{6,}$/, '')
}

/** The names of finished stages, e.g. sft-387429f7. */
export function finished(folder) {
  const run = join(folder, 'run')
  return existsSync(run) ? readdirSync(run).filter((name) => existsSync(join(run, name, 'done.json'))) : []
}
