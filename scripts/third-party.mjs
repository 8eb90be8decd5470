// Does what someone outside the project does: packs the packages, installs them beside examples/third-party-loss in a fresh folder,
// builds that package, runs its test, then aligns a toy model with its loss through the packed command line.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { install, packAll, root, run, say } from './packing.mjs'

const work = mkdtempSync(join(tmpdir(), 'plumbline-third-party-'))

/** The package is CommonJS; this is the other way to use it and the suite. */
const ESM_TEST = `
import { describe, it } from 'node:test'
import { testAlignmentLoss } from '@plumbline/conformance'
import { MarginLoss } from './dist/index.js'

testAlignmentLoss({ factory: () => new MarginLoss({ margin: 0.1 }), describe, it })
`

/** The manifest with everything of ours taken from a tarball, not from the registry. A peer stays the range that it is. */
function fromTarballs(manifest, tarballs, also = []) {
  const take = (dependencies = {}) =>
    Object.fromEntries(Object.entries(dependencies).map(([name, range]) => [name, tarballs[name] ?? range]))
  const extra = Object.fromEntries(also.map((name) => [name, tarballs[name]]))
  return { ...manifest, dependencies: { ...take(manifest.dependencies), ...extra }, devDependencies: take(manifest.devDependencies) }
}

try {
  const tarballs = Object.fromEntries(packAll(join(work, 'tarballs')).map(({ name, tarball }) => [name, `file:${tarball}`]))

  const example = join(root, 'examples', 'third-party-loss')
  const author = join(work, 'author')
  cpSync(example, author, { recursive: true, filter: (path) => !/[/\\](node_modules|dist|runs)$/.test(path) })
  const manifest = JSON.parse(readFileSync(join(author, 'package.json'), 'utf8'))
  install(author, fromTarballs(manifest, tarballs))
  run('build it', 'npm', ['run', 'build'], author)
  run('run its test', 'npm', ['test'], author)
  writeFileSync(join(author, 'esm.test.mjs'), ESM_TEST)
  run('run it once more as an ES module under node:test', 'node', ['--test', 'esm.test.mjs'], author)

  const [{ filename }] = JSON.parse(run('pack it', 'npm', ['pack', '--json', '--pack-destination', work], author))
  const user = join(work, 'user')
  mkdirSync(user)
  for (const name of ['plumbline.config.yaml', 'toy']) cpSync(join(example, name), join(user, name), { recursive: true })
  install(
    user,
    fromTarballs(
      { name: 'user', private: true, dependencies: { 'plumbline-plugin-margin': `file:${join(work, filename)}` } },
      tarballs,
      Object.keys(tarballs),
    ),
  )
  const report = JSON.parse(run('align with it', 'npx', ['--no-install', 'plumb', 'run', '--json'], user))
  const rows = report.rows.map(({ name }) => name)
  if (rows.join() !== 'VFT,margin') throw new Error(`The report has the rows ${rows.join(', ')}; VFT and margin were expected.`)
  const variant = join(user, 'runs', 'margin')
  if (!existsSync(variant) || readdirSync(variant).length === 0) throw new Error(`There is nothing in ${variant}.`)
  say(`done: a stranger's loss was tested, installed and trained with`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
