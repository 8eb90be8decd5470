// Installs what is missing and builds, so that `npm test` and `npm run quickstart` are all the set-up on a fresh clone.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

function run(command, args, cwd = root) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit', shell: process.platform === 'win32' })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Plumbline needs Node 20.19 or newer; this is ${process.version}.`)
  process.exit(2)
}
install(root)
// Half a gigabyte that only tests need.
if (process.argv.includes('--test')) install(join(root, 'packages', 'transformer', 'test', 'tokenizers'))
removeOrphans()
run('npx', ['tsc', '-b', 'tsconfig.build.json'])

/** What a folder's lock file says, unless it is there for this Node already. */
function install(folder) {
  const stamp = join(folder, 'node_modules', '.plumbline-installed')
  const wanted = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .update(process.version)
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  console.error(`Installing dependencies${folder === root ? '' : ` of ${relative(root, folder)}`} (npm ci) …`)
  run('npm', ['ci', '--no-audit', '--no-fund'], folder)
  writeFileSync(stamp, wanted)
}

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
