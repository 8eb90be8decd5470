// Everything that reads the sources and runs nothing of them: two of the programs at a time, and what each says once it has ended. Status 1 where one fails.
//
//   node scripts/check.mjs [--tests]     # --tests: jest as well, at the same time, whose lines come as it writes them
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from './packing.mjs'

const CHECKS = [
  ['eslint', '.'],
  ['tsc', '-p', 'tsconfig.test.json'],
  ['prettier', '--check', '.'],
  ['depcruise', 'packages', '--config', '.dependency-cruiser.cjs', '--output-type', 'err'],
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

/** @returns whether all tests passed. */
function tests() {
  const child = spawn(process.execPath, [join(root, 'node_modules', 'jest', 'bin', 'jest.js')], { cwd: root, stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code === 0))
  })
}

const isTesting = process.argv.includes('--tests')
const waiting = [...CHECKS]
const results = []
const lane = async () => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) results.push(await check(next))
}
// Beside the tests one at a time fills the cores.
const lanes = Array.from({ length: isTesting ? 1 : AT_ONCE }, lane)
if (isTesting) results.push(await tests())
await Promise.all(lanes)
if (!results.every(Boolean)) console.error('FAILED: see above.')
process.exitCode = results.every(Boolean) ? 0 : 1
