import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { specOf } from '../src/plugins/spec'
import { folderWith, plumb } from './cli'

jest.setTimeout(120_000)

/** A plugin whose folder has copies of what it shares with Plumbline, as that of its author has; each says when it is loaded. */
const AUTHOR = {
  'mine/package.json': JSON.stringify({
    name: 'plumbline-plugin-mine',
    version: '1.0.0',
    main: 'index.js',
    files: ['index.js'],
    peerDependencies: { '@plumbline/core': '^0.1.0', zod: '^4.0.0' },
  }),
  'mine/index.js': `
const { definePlugin } = require('@plumbline/core')
const { z } = require('zod')
module.exports = definePlugin({
  name: 'plumbline-plugin-mine', apiVersion: 1,
  register: (registry) => registry.labeler('mine', { options: z.strictObject({}), create: () => ({ name: 'mine', feedback: 'binary', label: async () => [] }) }),
})`,
  'mine/node_modules/@plumbline/core/package.json': JSON.stringify({ name: '@plumbline/core', version: '0.1.9', main: 'index.js' }),
  'mine/node_modules/@plumbline/core/index.js': 'console.error("a second core")',
  'mine/node_modules/zod/package.json': JSON.stringify({ name: 'zod', version: '4.9.9', main: 'index.js' }),
  'mine/node_modules/zod/index.js': 'console.error("a second zod")',
}

const data = (cwd: string): string => join(cwd, 'plumb-home', 'data')

/** What later commands say: the labeler, and nothing else. */
async function expectQuiet(cwd: string): Promise<void> {
  const { code, stdout, stderr } = await plumb(['strategies', 'mine', '--json'], { cwd })
  expect([code, stderr]).toEqual([0, ''])
  expect(JSON.parse(stdout)).toMatchObject({
    strategies: [{ kind: 'labeler', plugin: 'plumbline-plugin-mine', version: '1.0.0' }],
    warnings: [],
  })
}

function pack(cwd: string): string {
  const { stdout, stderr } = spawnSync('npm', ['pack', '--json', '--pack-destination', cwd], {
    cwd: join(cwd, 'mine'),
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  const [packed] = JSON.parse(stdout || stderr) as { filename: string }[]
  return packed?.filename ?? ''
}

describe('plumb plugins', () => {
  it('links a folder, whose own copies of core and zod are not loaded', async () => {
    const cwd = folderWith(AUTHOR)
    expect(await plumb(['plugins', 'link', 'mine'], { cwd })).toMatchObject({
      code: 0,
      stdout: 'Linked plumbline-plugin-mine: the labeler mine.\n',
      stderr: '',
    })
    await expectQuiet(cwd)
    expect((await plumb(['plugins'], { cwd })).stdout).toBe('plumbline-plugin-mine 1.0.0  (linked: mine)  the labeler mine\n')
    expect((await plumb(['plugins', 'unlink', 'plumbline-plugin-mine'], { cwd })).stdout).toBe('Removed plumbline-plugin-mine.\n')
    expect((await plumb(['plugins'], { cwd })).stdout).toMatch(/^No plugins are installed\./)
    expect(existsSync(join(cwd, 'mine', 'index.js'))).toBe(true)
  })

  it('installs a tarball and a folder, as packages and without peers', async () => {
    const cwd = folderWith(AUTHOR)
    const tarball = pack(cwd)
    for (const given of [tarball, './mine']) {
      const installed = await plumb(['plugins', 'install', given], { cwd })
      expect(installed).toMatchObject({ code: 0, stdout: 'Installed plumbline-plugin-mine 1.0.0: the labeler mine.\n', stderr: '' })
      await expectQuiet(cwd)
      expect(existsSync(join(data(cwd), 'node_modules', 'zod'))).toBe(false)
    }
    const listed = await plumb(['plugins', '--json'], { cwd })
    expect(JSON.parse(listed.stdout)).toEqual({
      folder: data(cwd),
      plugins: [
        {
          name: 'plumbline-plugin-mine',
          type: 'user',
          root: join(data(cwd), 'node_modules', 'plumbline-plugin-mine'),
          version: '1.0.0',
          things: ['labeler mine'],
        },
      ],
    })
    expect((await plumb(['plugins', 'uninstall', 'plumbline-plugin-mine'], { cwd })).code).toBe(0)
    expect(existsSync(join(data(cwd), 'node_modules', 'plumbline-plugin-mine'))).toBe(false)
  })

  it('updates what was installed from a folder to what is there now', async () => {
    const cwd = folderWith(AUTHOR)
    await plumb(['plugins', 'install', './mine'], { cwd })
    writeFileSync(join(cwd, 'mine', 'package.json'), AUTHOR['mine/package.json'].replace('1.0.0', '1.1.0'))
    expect(await plumb(['plugins', 'update'], { cwd })).toMatchObject({ code: 0, stdout: 'plumbline-plugin-mine 1.1.0\n', stderr: '' })
  })

  it('takes what is no plugin away again, and leaves the one that was there', async () => {
    const cwd = folderWith({
      ...AUTHOR,
      'broken/package.json': JSON.stringify({ name: 'broken', version: '1.0.0', main: 'index.js' }),
      'broken/index.js': 'module.exports = { apiVersion: 1 }',
    })
    await plumb(['plugins', 'install', './mine'], { cwd })
    const refused = await plumb(['plugins', 'install', './broken'], { cwd })
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect(refused.stderr).toBe(
      'PLUMB_PLUGIN_INVALID  ./broken  The default export of "broken" must be a plugin, definePlugin({ name, apiVersion, register }), but the module only exports apiVersion. It was not installed.\n',
    )
    expect(existsSync(join(data(cwd), 'node_modules', 'broken'))).toBe(false)
    expect(JSON.parse(readFileSync(join(data(cwd), 'package.json'), 'utf8'))).toMatchObject({
      oclif: { plugins: [{ name: 'plumbline-plugin-mine' }] },
    })
    await expectQuiet(cwd)
  })

  it('links one that cannot be loaded yet, and says so', async () => {
    const cwd = folderWith({ 'unbuilt/package.json': JSON.stringify({ name: 'unbuilt', version: '1.0.0', main: 'dist/index.js' }) })
    const { code, stdout, stderr } = await plumb(['plugins', 'link', 'unbuilt'], { cwd })
    expect([code, stdout]).toEqual([0, 'Linked unbuilt.\n'])
    expect(stderr).toMatch(/^warning: It cannot be used yet: .*Is it built\?\n$/)
  })

  it('refuses a path where nothing is, and a name that is not installed', async () => {
    const cwd = folderWith({})
    expect(await plumb(['plugins', 'install', './absent'], { cwd })).toMatchObject({
      code: 2,
      stderr: 'PLUMB_PLUGINS_NOT_FOUND  ./absent  There is no such file or folder.\n',
    })
    expect(await plumb(['plugins', 'uninstall', 'absent'], { cwd })).toMatchObject({
      code: 2,
      stderr: 'PLUMB_PLUGINS_NOT_INSTALLED  absent  No plugin of this name is installed. There are none.\n',
    })
  })

  it('says where its list is damaged', async () => {
    const cwd = folderWith({ 'plumb-home/data/package.json': '{' })
    writeFileSync(join(data(cwd), 'package.json'), '{')
    const { code, stderr } = await plumb(['plugins', 'uninstall', 'mine'], { cwd })
    expect(code).toBe(2)
    expect(stderr).toContain('PLUMB_PLUGINS_DAMAGED')
  })
})

describe('what is named', () => {
  const cwd = folderWith({
    'mine/package.json': '{ "name": "mine" }',
    'mine.tgz': '',
    'text.txt': '',
    'empty/.keep': '',
    'nameless/package.json': '{}',
  })

  it.each([
    ['margin', { kind: 'name', npm: 'margin', name: 'margin', tag: 'latest' }],
    ['@me/margin@^1.2.0', { kind: 'name', npm: '@me/margin@^1.2.0', name: '@me/margin', tag: '^1.2.0' }],
    ['me/margin', { kind: 'address', npm: 'me/margin' }],
    ['git+https://example.com/a.git', { kind: 'address', npm: 'git+https://example.com/a.git' }],
    ['mine', { kind: 'folder', npm: join(cwd, 'mine'), path: join(cwd, 'mine') }],
    ['./mine', { kind: 'folder', npm: join(cwd, 'mine'), path: join(cwd, 'mine') }],
    ['file:mine', { kind: 'folder', npm: join(cwd, 'mine'), path: join(cwd, 'mine') }],
    [`file://${join(cwd, 'mine')}`, { kind: 'folder', npm: join(cwd, 'mine'), path: join(cwd, 'mine') }],
    ['mine.tgz', { kind: 'tarball', npm: join(cwd, 'mine.tgz'), path: join(cwd, 'mine.tgz') }],
  ])('%s is understood', (given, expected) => {
    expect(specOf(given, cwd)).toEqual(expected)
  })

  it.each([
    ['absent.tgz', 'PLUMB_PLUGINS_NOT_FOUND'],
    ['./text.txt', 'PLUMB_PLUGINS_INVALID'],
    ['./empty', 'PLUMB_PLUGINS_INVALID'],
    ['./nameless', 'PLUMB_PLUGINS_INVALID'],
    ['--prefix=/', 'PLUMB_PLUGINS_INVALID'],
    ['', 'PLUMB_PLUGINS_INVALID'],
  ])('%j is refused', (given, code) => {
    expect(() => specOf(given, cwd)).toThrow(expect.objectContaining({ code }))
  })
})
