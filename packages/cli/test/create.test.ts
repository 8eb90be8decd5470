import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { TOOLS } from '../src/create/manifest'
import { checkPackageName, strategyName, TEMPLATES } from '../src/create/names'
import { createPackage } from '../src/create/scaffold'
import { folderWith, plumb } from './cli'

const ROOT = join(__dirname, '..', '..', '..')

jest.setTimeout(180_000)

interface Manifest {
  readonly [key: string]: unknown
  readonly devDependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
}

const manifestOf = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest

describe('plumb create', () => {
  it('writes packages of every kind that compile strictly and whose tests pass as they are', async () => {
    const cwd = folderWith({})
    symlinkSync(join(ROOT, 'node_modules'), join(cwd, 'node_modules'))
    for (const template of TEMPLATES) {
      const name = `plumbline-plugin-my-${template}`
      await createPackage({ template, name, folder: join(cwd, template), license: 'MIT', plumbline: '0.1.0' })
    }
    // one compilation for the five, which share their settings
    const common = JSON.parse(readFileSync(join(cwd, 'loss', 'tsconfig.json'), 'utf8')) as { compilerOptions: object }
    const include = TEMPLATES.flatMap((template) => [`${template}/src`, `${template}/test`])
    writeFileSync(join(cwd, 'tsconfig.json'), JSON.stringify({ ...common, include }))
    const tsc = join(dirname(createRequire(__filename).resolve('typescript/package.json')), 'bin', 'tsc')
    const compiled = spawnSync(process.execPath, [tsc, '-p', cwd], { cwd, encoding: 'utf8' })
    expect([compiled.status, compiled.stdout]).toEqual([0, ''])
    const tests = TEMPLATES.flatMap((template) =>
      readdirSync(join(cwd, 'build', template, 'test'))
        .filter((file) => file.endsWith('.test.js'))
        .map((file) => join(cwd, 'build', template, 'test', file)),
    )
    expect(tests.length).toBe(9)
    // jest's own marks in the environment would make node:test report to it
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined }
    const ran = spawnSync(process.execPath, ['--test', '--test-reporter=tap', ...tests], { cwd, env, encoding: 'utf8' })
    expect(ran.stdout).toMatch(/^# fail 0$/m)
    expect(Number(/^# pass (\d+)$/m.exec(ran.stdout)?.[1])).toBeGreaterThan(100)
    expect(ran.status).toBe(0)
  })

  it('fills in the name, the license and what configurations call it, and says what comes next', async () => {
    const cwd = folderWith({})
    const { code, stdout, stderr } = await plumb(['create', 'loss', '@me/plumbline-plugin-focal', '--license', 'MIT'], { cwd })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toBe(
      'Wrote 11 files into plumbline-plugin-focal; a configuration names it "focal".\nNext: cd plumbline-plugin-focal, npm install, npm test.\n',
    )
    const folder = join(cwd, 'plumbline-plugin-focal')
    expect(manifestOf(folder)).toMatchObject({
      name: '@me/plumbline-plugin-focal',
      license: 'MIT',
      peerDependencies: { '@tensorflow/tfjs-core': '4.22.0' },
    })
    const read = (file: string): string => readFileSync(join(folder, file), 'utf8')
    expect(read('src/index.ts')).toContain("registry.loss('focal'")
    expect(read('LICENSE')).toContain('the authors of @me/plumbline-plugin-focal')
    expect(read('.gitignore')).toContain('node_modules/')
    expect(read('.github/workflows/ci.yml')).toContain('npm test')
    expect(read('conformance.json')).toContain('"loss/focal"')
    for (const file of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (file.isFile())
        expect(readFileSync(join(file.parentPath, file.name), 'utf8')).not.toMatch(/template-name|plumbline-plugin-template/)
  })

  it('starts packages with the versions of tools that this repository has, and its own', async () => {
    const root = manifestOf(ROOT)
    for (const [name, range] of Object.entries(TOOLS)) expect(range).toBe(root.devDependencies[name])
    const core = manifestOf(join(ROOT, 'packages', 'plugin-simpo'))
    const cwd = folderWith({})
    await plumb(['create', 'loss', 'mine'], { cwd })
    expect(manifestOf(join(cwd, 'mine')).peerDependencies).toEqual(core.peerDependencies)
  })

  it('leaves the workflow to the root of a workspace', async () => {
    const cwd = folderWith({ 'package.json': '{ "workspaces": ["packages/*"] }' })
    const { stdout } = await plumb(['create', 'reader', 'mine', '--dir', 'packages/mine', '--license', 'none'], { cwd })
    expect(stdout).toContain('It lies in the workspace .: list it under "workspaces" there')
    expect(existsSync(join(cwd, 'packages', 'mine', '.github'))).toBe(false)
    expect(existsSync(join(cwd, 'packages', 'mine', 'LICENSE'))).toBe(false)
    expect(manifestOf(join(cwd, 'packages', 'mine')).license).toBe('UNLICENSED')
  })

  it('refuses a folder that is not empty, and leaves it as it was', async () => {
    const cwd = folderWith({ 'mine/notes.txt': 'dear diary', file: '' })
    const refused = await plumb(['create', 'loss', 'mine'], { cwd })
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect(refused.stderr).toMatch(
      /^PLUMB_CREATE_EXISTS {2}.*mine {2}The folder is not empty: it has "notes\.txt", for one\. Nothing was written\.\n$/,
    )
    expect(readdirSync(join(cwd, 'mine'))).toEqual(['notes.txt'])
    expect((await plumb(['create', 'loss', 'mine', '--dir', 'file'], { cwd })).stderr).toContain('PLUMB_CREATE_EXISTS')
    mkdirSync(join(cwd, 'empty'))
    expect((await plumb(['create', 'loss', 'mine', '--dir', 'empty'], { cwd })).code).toBe(0)
    expect(readdirSync(cwd).sort()).toEqual(['empty', 'file', 'mine', 'plumb-home'].filter((name) => existsSync(join(cwd, name))))
  })

  it('refuses a name that npm does, and writes nothing', async () => {
    const cwd = folderWith({})
    expect(await plumb(['create', 'loss', 'My-Loss'], { cwd })).toMatchObject({
      code: 2,
      stdout: '',
      stderr:
        'PLUMB_CREATE_NAME  "My-Loss"  npm refuses this name: name can no longer contain capital letters. Expected one such as plumbline-plugin-margin or @me/margin.\n',
    })
    expect(readdirSync(cwd).filter((file) => file !== 'plumb-home')).toEqual([])
  })

  it('refuses a kind that there is not', async () => {
    const { code, stderr } = await plumb(['create', 'los', 'mine'], { cwd: folderWith({}) })
    expect([code, stderr]).toEqual([2, 'PLUMB_USAGE  plumb create  Expected los to be one of: loss, labeler, sampler, reader, backend.\n'])
  })
})

it.each([
  ['plumbline-plugin-margin', 'margin'],
  ['@me/plumbline-loss-margin', 'margin'],
  ['margin', 'margin'],
  ['loss', 'loss'],
  ['loss-of-mine', 'of-mine'],
])('a configuration calls %s %s', (name, strategy) => {
  expect(strategyName(name, 'loss')).toBe(strategy)
})

it.each([
  ['node_modules', /node_modules/],
  ['../up', /cannot start with a period/],
  ['a b', /URL-friendly/],
  ['', /length must be greater than zero/],
  ['fs', /core module/],
])('npm refuses the name %j', (name, reason) => {
  expect(() => checkPackageName(name)).toThrow(reason)
})

it('no loss can be called sft', () => {
  expect(() => strategyName('plumbline-loss-sft', 'loss')).toThrow(expect.objectContaining({ code: 'PLUMB_CREATE_NAME' }))
})
