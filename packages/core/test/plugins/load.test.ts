import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { loadPlugins } from '../../src/plugins/load'
import { createRegistry } from '../../src/plugins/registry'
import { failure, folderWith } from '../support/files'

const body = (name: string): string => `{ name: '${name}', apiVersion: 1, register() {} }`
const manifest = (name: string, more: object = {}): string => JSON.stringify({ name, version: '1.2.3', ...more })

const folder = folderWith({
  'local.cjs': `module.exports = ${body('local')}`,
  'compiled.js': `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = ${body('compiled')}`,
  'package/package.json': manifest('package', { main: 'lib/main.js' }),
  'package/lib/main.js': `module.exports = ${body('package')}`,
  'node_modules/installed/package.json': manifest('installed', { exports: { require: './index.cjs', import: './index.mjs' } }),
  'node_modules/installed/index.cjs': `module.exports = ${body('installed')}`,
  'node_modules/installed/index.mjs': 'throw new Error("the other half")',
  'node_modules/esm-only/package.json': manifest('esm-only', { type: 'module', exports: { '.': { import: './index.js' } } }),
  'node_modules/esm-only/index.js': `export default ${body('esm-only')}`,
  'local.mjs': `await null; export default ${body('local-esm')}`,
  'unbuilt/package.json': manifest('unbuilt', { main: 'dist/index.js' }),
  'throws.cjs': 'throw new Error("no such GPU")',
  'wrong/function.cjs': 'module.exports = () => 1',
  'wrong/nothing.cjs': '',
  'wrong/named.cjs': 'exports.plugin = 1; exports.__esModule = true',
  'wrong/partial.cjs': `exports.default = { name: 'x' }`,
  'wrong/type.cjs': `exports.default = { name: 'x', apiVersion: '1', register() {} }`,
  'elsewhere/node_modules/beside-cli/package.json': manifest('beside-cli'),
  'elsewhere/node_modules/beside-cli/index.js': `module.exports = ${body('beside-cli')}`,
})

const names = async (specifiers: string[], options: object = {}): Promise<string[]> =>
  (await loadPlugins(specifiers, { from: folder, ...options })).map(({ name }) => name)

test.each([
  ['./local.cjs', 'local'],
  ['./compiled.js', 'compiled'],
  ['./package', 'package'],
  [path.join(folder, 'local.cjs'), 'local'],
  [pathToFileURL(path.join(folder, 'local.cjs')).href, 'local'],
  ['installed', 'installed'],
])('%s', async (specifier, name) => {
  expect(await names([specifier])).toEqual([name])
})

test('the version is the package’s, unless the plugin says another', async () => {
  const [plugin] = await loadPlugins(['installed'], { from: folder })
  expect(plugin!.version).toBe('1.2.3')
  expect(createRegistry([plugin!]).plugins).toContain('installed')
})

test('a package that the config’s folder does not have is looked for beside the command line', async () => {
  expect(await names(['beside-cli'], { fallback: [path.join(folder, 'elsewhere')] })).toEqual(['beside-cli'])
})

test('listed plugins come first, then the extra ones, loaded or as folders', async () => {
  const builtIn = { name: 'built-in', apiVersion: 1, register: () => undefined }
  expect(await names(['./local.cjs'], { extra: [builtIn, path.join(folder, 'package')] })).toEqual(['local', 'built-in', 'package'])
})

test('an extra plugin may be the module it is the default export of', async () => {
  const builtIn = { name: 'built-in', apiVersion: 1, register: () => undefined }
  expect(await names([], { extra: [{ default: builtIn }, { default: { default: { ...builtIn, name: 'other' } } }] })).toEqual([
    'built-in',
    'other',
  ])
})

test.each([
  ['absent', 'PLUMB_PLUGIN_NOT_FOUND', /"absent" is not installed\. .*npm install absent.*plumb plugins install absent/],
  ['./absent.cjs', 'PLUMB_PLUGIN_NOT_FOUND', /"\.\/absent\.cjs" does not exist/],
  ['./unbuilt', 'PLUMB_PLUGIN_NOT_FOUND', /"\.\/unbuilt" has no entry point .* Is it built\?/],
  ['./throws.cjs', 'PLUMB_PLUGIN_LOAD', /failed while it was loaded: no such GPU/],
  ['./wrong/function.cjs', 'PLUMB_PLUGIN_INVALID', /but is a function/],
  ['./wrong/nothing.cjs', 'PLUMB_PLUGIN_INVALID', /but the module exports nothing/],
  ['./wrong/named.cjs', 'PLUMB_PLUGIN_INVALID', /but the module only exports plugin/],
  ['./wrong/partial.cjs', 'PLUMB_PLUGIN_INVALID', /but it has no apiVersion, register/],
  ['./wrong/type.cjs', 'PLUMB_PLUGIN_INVALID', /but its name, apiVersion or register has the wrong type/],
])('%s is refused', async (specifier, code, message) => {
  const found = await failure(() => names([specifier]))
  expect(found.code).toBe(code)
  expect(found.message).toMatch(message)
  expect(found.where).toContain(folder)
})

// jest has no import() of its own kind, so ES modules are loaded by Node from what `tsc -b` built.
const built = path.resolve(__dirname, '../../dist/index.js')
const withBuild = existsSync(built) ? describe : describe.skip
withBuild('ES modules (skipped where core is not built)', () => {
  const inNode = (code: string): string =>
    execFileSync(process.execPath, ['-e', `const core = require(${JSON.stringify(built)}); (async () => { ${code} })()`], {
      cwd: folder,
      encoding: 'utf8',
    })

  test('plugins that are ES modules, one with a top-level await, one only for import', () => {
    const code = `const plugins = await core.loadPlugins(['./local.mjs', 'esm-only'], { from: process.cwd() }); console.log(plugins.map(({ name }) => name).join())`
    expect(inNode(code).trim()).toBe('local-esm,esm-only')
  })

  test('a config that is an ES module', () => {
    const config = { model: 'm', data: { train: 'a', test: 'b' }, sft: { steps: 1 }, align: { loss: 'ca', steps: 1 } }
    const esm = folderWith({ 'plumbline.config.mjs': `export default ${JSON.stringify(config)}` })
    const code = `const { config } = await core.loadConfig({ cwd: ${JSON.stringify(esm)} }); console.log(config.align[0].name)`
    expect(inNode(code).trim()).toBe('ca')
  })
})
