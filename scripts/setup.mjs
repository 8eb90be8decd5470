// Installs what is missing and builds, so that `npm test` and `npm run quickstart` are all the set-up on a fresh clone.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const stamp = join(root, 'node_modules', '.plumbline-installed')
const lockHash = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .update(process.version)
  .digest('hex')

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Plumbline needs Node 20.19 or newer; this is ${process.version}.`)
  process.exit(2)
}
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lockHash) {
  console.error('Installing dependencies (npm ci) …')
  run('npm', ['ci', '--no-audit', '--no-fund'])
  writeFileSync(stamp, lockHash)
}
removeOrphans()
run('npx', ['tsc', '-b'])

/** Deletes what a source that is gone had been built to: the compiler leaves it, and it would be packed and found by require. */
function removeOrphans() {
  for (const name of readdirSync(join(root, 'packages'))) {
    const [src, dist] = [join(root, 'packages', name, 'src'), join(root, 'packages', name, 'dist')]
    if (!existsSync(dist)) continue
    for (const file of readdirSync(dist, { recursive: true }).map(String)) {
      const built = /^(.*?)(\.d\.ts|\.js)(\.map)?$/.exec(file)
      if (built && !existsSync(join(src, `${built[1]}.ts`))) rmSync(join(dist, file))
    }
  }
}
