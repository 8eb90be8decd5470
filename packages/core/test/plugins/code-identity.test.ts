import { symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { codeIdentity } from '../../src/plugins/code-identity'
import { loadPlugins } from '../../src/plugins/load'
import { failure, folderWith } from '../support/files'

const manifest = (name: string, version = '1.0.0') => JSON.stringify({ name, version, main: 'index.mjs' })

function project() {
  return folderWith({
    'package.json': manifest('project'),
    'my-loss.mjs': `import { f } from './lib/helper.mjs'\nimport 'installed'\nimport tools from 'linked'\nexport default {}`,
    'lib/helper.mjs': `const table = new URL('table.json', import.meta.url)\nexport const f = () => 1`,
    'lib/table.json': '[1]',
    'README.md': 'read me',
    'other.mjs': '1',
    'node_modules/installed/package.json': manifest('installed', '2.1.0'),
    'node_modules/installed/index.mjs': '1',
    'elsewhere/package.json': manifest('linked'),
    'elsewhere/index.mjs': `export * from './part'`,
    'elsewhere/part.js': '1',
  })
}

const link = (folder: string) => symlinkSync(path.join(folder, 'elsewhere'), path.join(folder, 'node_modules', 'linked'))

describe('what a plugin’s code is known by', () => {
  it('is the version of a package that was installed, and the content of everything else', () => {
    const folder = project()
    link(folder)
    expect(codeIdentity(path.join(folder, 'node_modules/installed/index.mjs'))).toBe('2.1.0')
    expect(codeIdentity(path.join(folder, 'my-loss.mjs'))).toMatch(/^sha256:[0-9a-f]{16}$/)
    expect(codeIdentity(path.join(folder, 'node_modules/linked/index.mjs'))).toMatch(/^sha256:/)
  })

  it.each([
    ['the module', 'my-loss.mjs', true],
    ['a module that it imports', 'lib/helper.mjs', true],
    ['a file that it names', 'lib/table.json', true],
    ['a package that is linked', 'elsewhere/index.mjs', true],
    ['what that one imports without its ending', 'elsewhere/part.js', true],
    ['the version of an installed package', 'node_modules/installed/package.json', true],
    ['a file that it does not name', 'other.mjs', false],
    ['a text about it', 'README.md', false],
    ['the version of the project around it', 'package.json', false],
  ])('follows %s: %s', (_, file, changes) => {
    const folder = project()
    link(folder)
    const entry = path.join(folder, 'my-loss.mjs')
    const before = codeIdentity(entry)
    const text = file.endsWith('package.json') ? manifest('installed', '2.2.0') : 'export const changed = 1'
    writeFileSync(path.join(folder, file), text)
    expect(codeIdentity(entry) !== before).toBe(changes)
  })

  describe.each([
    ['behind an apostrophe in a comment', `/* it's here */ import { f } from './lib/f.mjs'`, 'lib/f.mjs'],
    ['behind a quotation mark in a regular expression', `const re = /'/; import { f } from './lib/f.mjs'`, 'lib/f.mjs'],
    ['that package.json’s imports name', `import f from '#f'`, 'lib/f.mjs'],
    ['that they name under a condition of another system', `import f from '#g/one'`, 'lib/g/one.cjs'],
    ['of a package that they name', `import '#there'`, 'node_modules/installed/package.json'],
    ['that JSON is imported from', `import t from './lib/t.json' with { type: 'json' }`, 'lib/t.json'],
    ['that is imported later', 'const f = await import(`./lib/f.mjs`)', 'lib/f.mjs'],
    ['that TypeScript names as it will be compiled', `import { f } from './lib/typed.js'`, 'lib/typed.ts'],
    ['with a query', `import { f } from './lib/f.mjs?fresh'`, 'lib/f.mjs'],
  ])('follows a module %s', (_, text, file) => {
    it('and no other', () => {
      const imports = { '#f': './lib/f.mjs', '#g/*': { node: './lib/g/*.cjs', default: './lib/g/*.mjs' }, '#there': 'installed' }
      const folder = folderWith({
        'package.json': JSON.stringify({ name: 'project', version: '1.0.0', imports }),
        'my-loss.mjs': text,
        'lib/f.mjs': 'export const f = 1',
        'lib/g/one.cjs': '1',
        'lib/t.json': '1',
        'lib/typed.ts': '1',
        'node_modules/installed/package.json': manifest('installed', '2.1.0'),
        'node_modules/installed/index.mjs': '1',
      })
      const entry = path.join(folder, 'my-loss.mjs')
      const before = codeIdentity(entry)
      writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ name: 'project', version: '1.0.1', imports }))
      writeFileSync(path.join(folder, 'lib/unnamed.mjs'), '1')
      expect(codeIdentity(entry)).toBe(before)
      writeFileSync(path.join(folder, file), file.endsWith('package.json') ? manifest('installed', '2.2.0') : '2')
      expect(codeIdentity(entry)).not.toBe(before)
    })
  })

  it('is the same in another place', () => {
    const [here, there] = [project(), project()]
    for (const folder of [here, there]) link(folder)
    expect(codeIdentity(path.join(there, 'my-loss.mjs'))).toBe(codeIdentity(path.join(here, 'my-loss.mjs')))
  })

  it('does not run in a circle', () => {
    const folder = folderWith({ 'a.cjs': `require('./b.cjs')`, 'b.cjs': `require('./a.cjs'); require('./')` })
    expect(codeIdentity(path.join(folder, 'a.cjs'))).toMatch(/^sha256:/)
  })
})

describe('loading', () => {
  const body = (name: string) => `module.exports = { name: '${name}', apiVersion: 1, version: '9', register() {} }`

  it('keeps what the code is known by with the plugin', async () => {
    const folder = folderWith({
      'local.cjs': body('local'),
      'node_modules/there/package.json': JSON.stringify({ name: 'there', version: '3.0.0' }),
      'node_modules/there/index.js': body('there'),
    })
    const plugins = await loadPlugins(['./local.cjs', 'there'], { from: folder })
    expect(plugins.map(({ version, code }) => [version, code])).toEqual([
      ['9', expect.stringMatching(/^sha256:/) as string],
      ['9', '3.0.0'],
    ])
  })

  it('refuses files that are not those which this process has loaded', async () => {
    const folder = folderWith({ 'local.cjs': body('local') })
    await loadPlugins(['./local.cjs'], { from: folder })
    await loadPlugins(['./local.cjs'], { from: folder })
    writeFileSync(path.join(folder, 'local.cjs'), body('other'))
    expect(await failure(() => loadPlugins(['./local.cjs'], { from: folder }))).toMatchObject({ code: 'PLUMB_PLUGIN_CHANGED' })
  })

  it('tells what is installed and not built, and what is no TypeScript', async () => {
    const folder = folderWith({
      'node_modules/unbuilt/package.json': JSON.stringify({ name: 'unbuilt', version: '1.0.0', main: 'dist/index.js' }),
      'mine.ts': 'const readonly x: number = 1',
    })
    expect(await failure(() => loadPlugins(['unbuilt'], { from: folder }))).toMatchObject({
      code: 'PLUMB_PLUGIN_NOT_FOUND',
      message: expect.stringMatching(/"unbuilt" is installed, but its package has no entry point .* Is it built\?/) as string,
    })
    expect(await failure(() => loadPlugins(['./mine.ts'], { from: folder }))).toMatchObject({
      code: 'PLUMB_PLUGIN_LOAD',
      message: expect.stringMatching(/^Plugin "\.\/mine\.ts" failed while it was loaded: .*mine\.ts:1:\d+\.$/) as string,
    })
  })
})
