// Tries the packages as a stranger gets them: packs all, looks at what is in the tarballs, installs them in an empty folder, and uses every
// package from CommonJS, from an ES module and from TypeScript under node16 and bundler resolution.
//
//   node scripts/packages.mjs [--npm 10 --npm 11] [--nodes]    # needs a build
//
// --npm: the versions of npm to install with, this machine's when absent. --nodes: use them on the other supported versions of Node as well.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { checkPackage } from './package-contents.mjs'
import { nodeOf, OTHERS } from './nodes.mjs'
import { install, packAll, root, run, say } from './packing.mjs'

const require = createRequire(import.meta.url)
const { values } = parseArgs({ options: { npm: { type: 'string', multiple: true }, nodes: { type: 'boolean' } } })
const nodes = [[process.versions.node, process.execPath], ...(values.nodes ? others() : [])]
const work = mkdtempSync(join(tmpdir(), 'plumbline-packages-'))

/** What a process may hold once only: two of them do not know each other's plugins, tensors or schemas. */
const SHARED = ['@plumbline/core', '@tensorflow/tfjs-core', 'zod']

function others() {
  const found = OTHERS.map((major) => [String(major), nodeOf(major)])
  for (const [major, node] of found) if (node === undefined) console.error(`SKIPPED: Node ${major} could not be had from the npm registry.`)
  return found.filter(([, node]) => node !== undefined)
}

async function checkContents(packed) {
  const problems = []
  for (const { name, files, tarball } of packed) {
    const folder = join(root, 'packages', name.split('/')[1])
    for (const problem of checkPackage(
      folder,
      files.map(({ path }) => path),
    ))
      problems.push(`${name}: ${problem}`)
    const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(readFileSync(tarball)).buffer }, strict: true })
    for (const message of messages) problems.push(`${name}: ${formatMessage(message, pkg, { color: false })}`)
  }
  if (problems.length > 0) throw new Error(`The packages are not as they should be:\n${problems.join('\n')}`)
}

/** How often each shared package is installed, by what npm says of the tree. */
function checkCopies(folder) {
  const paths = run('count the copies', 'npm', ['ls', '--all', '--parseable'], folder).split('\n')
  for (const name of SHARED) {
    const copies = new Set(paths.filter((path) => path.replaceAll('\\', '/').endsWith(`/node_modules/${name}`)))
    if (copies.size !== 1) throw new Error(`There are ${copies.size} copies of ${name}; one was expected:\n${[...copies].join('\n')}`)
  }
}

/** A program that uses every package: the same in both module systems but for how it gets them. */
function consumer(names, plugins, system) {
  const load =
    system === 'cjs'
      ? `const assert = require('node:assert')
const load = (name) => require(name)
const pluginOf = (module) => module.default`
      : `import assert from 'node:assert'
import { createRequire } from 'node:module'
const require = createRequire(import.meta.url)
const load = (name) => import(name)
const pluginOf = (module) => module.default`
  return `${load}
async function main() {
  const { createRegistry, loadPlugins } = await load('@plumbline/core')
  const modules = {}
  for (const name of ${JSON.stringify(names)}) {
    const [module, required] = [await load(name), require(name)]
    const namesOf = (exports) => Object.keys(exports).filter((key) => !['default', 'module.exports', '__esModule'].includes(key)).sort()
    assert(namesOf(module).length > 0 || 'default' in module, name + ' exports nothing')
    assert.deepStrictEqual(namesOf(module), namesOf(required), name)
    for (const key of namesOf(required)) assert.strictEqual(module[key], required[key], name + ' ' + key)
    assert(require(name + '/package.json').version)
    modules[name] = module
  }
  const names = ${JSON.stringify(plugins)}
  const plugins = names.map((name) => pluginOf(modules[name]))
  plugins.forEach((plugin, n) => {
    assert.strictEqual(plugin, require(names[n]).default)
    assert.strictEqual(plugin.name, names[n])
  })
  const expected = ['@plumbline/core', ...names]
  assert.deepStrictEqual([...createRegistry(plugins).plugins], expected)
  assert.deepStrictEqual([...createRegistry(names.map((name) => modules[name])).plugins], expected)
  const extra = names.map((name) => modules[name])
  assert.deepStrictEqual((await loadPlugins([], { from: process.cwd(), extra })).map(({ name }) => name), names)
  assert.deepStrictEqual((await loadPlugins(names, { from: process.cwd() })).map(({ name }) => name), names)
  for (const loss of ['ca', 'rrhf', 'pro', 'dpo', 'dpo-listwise', 'simpo', 'orpo', 'kto', 'rft']) createRegistry(plugins).find('loss', loss)
  console.log('ok')
}
void main().catch((error) => { console.error(error); process.exitCode = 1 })
`
}

/** The same in TypeScript: the default export of every plugin is a Plugin, and named exports have their types. */
function typedConsumer(plugins, system) {
  const imports = plugins.map((name, n) =>
    system === 'cts'
      ? `import module${n} = require('${name}')\nconst plugin${n}: Plugin = module${n}.default`
      : `import plugin${n} from '${name}'`,
  )
  return `import { createRegistry, type Plugin, type PluginRegistry } from '@plumbline/core'
import { randomStreams } from '@plumbline/core/base'
import { Dpo } from '@plumbline/plugin-dpo'
import { OnnxBackend } from '@plumbline/backend-onnx'
import { testAlignmentLoss } from '@plumbline/conformance'
import * as transformer from '@plumbline/transformer'
import * as cli from '@plumbline/cli'
import * as everything from '@plumbline/plugin-rft'
${imports.join('\n')}
const plugins: Plugin[] = [${plugins.map((_, n) => `plugin${n}`).join(', ')}]
export const registry: PluginRegistry = createRegistry([...plugins, everything])
export const backend: OnnxBackend = new OnnxBackend()
export const parts = [Dpo, randomStreams, testAlignmentLoss, transformer, cli]
// @ts-expect-error a number is no plugin: the default exports are not any
const wrong: number = plugin0
export { wrong }
`
}

const pluginsOf = (packed) => packed.map(({ name }) => name).filter((name) => /\/(plugin|backend|labeler|reporter)-/.test(name))

function use(folder, packed) {
  const names = packed.map(({ name }) => name)
  const plugins = pluginsOf(packed)
  for (const system of ['cjs', 'mjs']) writeFileSync(join(folder, `consumer.${system}`), consumer(names, plugins, system))
  for (const [version, node] of nodes) {
    run(`use them from CommonJS, Node ${version}`, node, ['consumer.cjs'], folder)
    run(`use them from an ES module, Node ${version}`, node, ['consumer.mjs'], folder)
  }
}

/** Which npm put them there makes no difference to the compiler. */
function useTypes(folder, packed) {
  const plugins = pluginsOf(packed)
  for (const system of ['cts', 'mts', 'ts']) writeFileSync(join(folder, `typed.${system}`), typedConsumer(plugins, system))
  // Declarations of core speak of Node's own types (a file handle, a buffer), so a project has @types/node, as for any library of Node.
  const common = {
    strict: true,
    noEmit: true,
    target: 'es2023',
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
    skipLibCheck: false,
  }
  const resolutions = {
    node16: { compilerOptions: { ...common, module: 'node16', moduleResolution: 'node16' }, files: ['typed.cts', 'typed.mts', 'typed.ts'] },
    bundler: { compilerOptions: { ...common, module: 'esnext', moduleResolution: 'bundler' }, files: ['typed.ts', 'typed.mts'] },
  }
  for (const [resolution, config] of Object.entries(resolutions)) {
    writeFileSync(join(folder, `tsconfig.${resolution}.json`), JSON.stringify(config))
    // The one before the native compiler, which the scripts have, reads all kinds of files in the first.
    for (const from of resolution === 'node16' ? [root, join(root, 'scripts')] : [root]) {
      const manifest = createRequire(join(from, 'package.json')).resolve('typescript/package.json')
      const { version } = require(manifest)
      say(`use them from TypeScript ${version}, ${resolution} resolution`)
      const tsc = [join(dirname(manifest), 'bin', 'tsc'), '-p', `tsconfig.${resolution}.json`, '--pretty', 'false']
      const { status, stdout } = spawnSync(process.execPath, tsc, { cwd: folder, encoding: 'utf8' })
      // Ours are checked too, hence no skipLibCheck. Declarations of tfjs name a type that its package does not bring, and bring WebGPU's, which newer compilers have.
      const [ours, theirs] = [[], []]
      for (const line of stdout.split('\n')) {
        if (line.includes('error TS')) (/^typed\.|@plumbline\//.test(line) ? ours : theirs).push(line)
      }
      if (ours.length > 0 || (status !== 0 && theirs.length === 0)) {
        throw new Error(`TypeScript ${version} does not take the packages:\n${ours.join('\n') || stdout}`)
      }
    }
  }
}

try {
  const packed = packAll(join(work, 'tarballs'))
  say('look into them')
  await checkContents(packed)
  for (const [n, npm] of (values.npm ?? [undefined]).entries()) {
    const folder = join(work, `user-${npm ?? 'npm'}`)
    mkdirSync(folder)
    const dependencies = Object.fromEntries(packed.map(({ name, tarball }) => [name, `file:${tarball}`]))
    install(folder, { name: 'user', private: true, dependencies }, npm)
    checkCopies(folder)
    use(folder, packed)
    if (n === 0) useTypes(folder, packed)
  }
  say('done: every package is whole, and importable from both module systems')
} finally {
  rmSync(work, { recursive: true, force: true })
}
