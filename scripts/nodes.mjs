// Runs tests on the other versions of Node that Plumbline supports, each taken from the npm registry:
//
//   node scripts/nodes.mjs [path …]      # needs a build; without paths: what differs between versions of Node
//
// A version that cannot be had (no registry, no such platform) is skipped, and the last line says so.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root, say } from './packing.mjs'

export const SUPPORTED = [20, 22, 24]

/** What differs between versions of Node: the command line, modules, worker threads, the native library. */
const PART = [
  'packages/core/test/plugins',
  'packages/cli/test/interrupt',
  'packages/transformer/test/safetensors',
  'packages/transformer/test/training-state',
  'packages/backend-onnx/test/policy',
  'packages/backend-onnx/test/worker',
]

/** On the newest version as well: every command, files and processes. What it and the oldest do, the one between them does. */
const NEWEST = [
  'packages/cli/test/commands',
  'packages/backend-onnx/test/telemetry',
  'packages/core/test/run',
  'packages/core/test/stages/pipeline',
  'packages/cli/test/run.test',
  'packages/cli/test/resume',
]

const own = Number(process.versions.node.split('.')[0])
export const OTHERS = SUPPORTED.filter((major) => major !== own)

/**
 * The executable of the newest Node of a major version, or undefined where it cannot be had. The package `node` would fetch it in an install
 * script; the package of the platform has it inside.
 */
export function nodeOf(major) {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const name = `node-${platform}-${process.arch}`
  const folder = join(root, 'node_modules', '.cache', `plumbline-node-${major}`)
  const file = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', `${name}@${major}`]
    spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' })
  }
  const { status, stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' })
  return status === 0 && stdout.startsWith(`v${major}.`) ? file : undefined
}

/** The environment in which `node` is this one, for the processes that tests start. */
function withNode(file) {
  const key = Object.keys(process.env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH'
  return { ...process.env, [key]: `${dirname(file)}${delimiter}${process.env[key] ?? ''}` }
}

function main() {
  const jest = createRequire(import.meta.url).resolve('jest/bin/jest')
  const asked = process.argv.slice(2)
  const skipped = []
  for (const major of OTHERS) {
    const node = nodeOf(major)
    if (node === undefined) {
      skipped.push(major)
      continue
    }
    say(`tests on Node ${major}`)
    const chosen = asked.length > 0 ? asked : [...PART, ...(major === Math.max(...OTHERS) ? NEWEST : [])]
    const { status, error } = spawnSync(node, [jest, ...chosen], { cwd: root, stdio: 'inherit', env: withNode(node) })
    if (error) throw error
    if (status !== 0) {
      console.error(`The tests fail on Node ${major}.`)
      process.exit(status ?? 1)
    }
  }
  if (skipped.length > 0) console.error(`SKIPPED: Node ${skipped.join(', ')} could not be had from the npm registry; nothing ran on it.`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main()
