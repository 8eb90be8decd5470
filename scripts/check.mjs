// Everything that reads the sources and runs nothing of them: two of the programs at a time, and what each says once it has ended. Status 1 where one fails.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from './packing.mjs'

const CHECKS = [
  ['oxlint'],
  ['tsc', '-p', '.'],
  ['prettier', '--check', '.'],
]
const AT_ONCE = 2

/** @returns whether it passed. */
function check([program, ...args]) {
  const path = [join(root, 'node_modules', '.bin'), process.env.PATH].join(process.platform === 'win32' ? ';' : ':')
  const child = spawn(program, args, { cwd: root, env: { ...process.env, PATH: path }, shell: process.platform === 'win32' })
  const said = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => said.push(bytes))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      console.error(`${code === 0 ? 'passed' : 'FAILED'}: ${program} ${args.join(' ')}`)
      if (code !== 0) process.stderr.write(Buffer.concat(said))
      resolve(code === 0)
    })
  })
}

const waiting = [...CHECKS]
const results = []
const lane = async () => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) results.push(await check(next))
}
await Promise.all(Array.from({ length: AT_ONCE }, lane))
process.exitCode = results.every(Boolean) ? 0 : 1
