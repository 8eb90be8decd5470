/** What the scripts that try the packed packages share: running a command, packing all, installing the tarballs in a folder. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const started = Date.now()

/** A line on stderr with the seconds since the start. */
export function say(text) {
  console.error(`[${((Date.now() - started) / 1000).toFixed(0)} s] ${text}`)
}

/** The standard output of a command; its whole output is in the error where it fails. */
export function run(title, command, args, cwd, env = process.env) {
  say(title)
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8', shell: process.platform === 'win32' })
  if (error) throw error
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${status}\n${stdout}\n${stderr}`)
  return stdout
}

/**
 * npm pack of every package: what npm says of each (name, filename, files), with the tarball's path. Of the native library only this
 * machine's part is packed, since nothing here is published.
 */
export function packAll(destination) {
  mkdirSync(destination)
  const args = ['pack', '--workspace=packages', '--json', '--foreground-scripts=false', '--pack-destination', destination]
  const packed = JSON.parse(run('pack the packages', 'npm', args, root, { ...process.env, PLUMBLINE_RUNTIME: 'this' }))
  return packed.map((entry) => ({ ...entry, tarball: join(destination, entry.filename) }))
}

/** Writes the manifest and installs it. `npm` is a version of npm to install with, this machine's when absent. */
export function install(folder, manifest, npm) {
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest, null, 2))
  const args = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']
  if (npm === undefined) run(`install ${manifest.name}`, 'npm', args, folder)
  else run(`install ${manifest.name} with npm ${npm}`, 'npx', ['--yes', `npm@${npm}`, ...args], folder)
}
