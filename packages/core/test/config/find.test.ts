import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { loadConfig } from '../../src'
import { BASE, failure, folderWith } from '../support/files'

const VALID = `${BASE}align: { loss: ca, steps: 1 }\n`
const json = JSON.stringify({ model: 'm', data: { train: 'a', test: 'b' }, sft: { steps: 1 }, align: { loss: 'ca', steps: 1 } })
/** Code that leaves a trace when it is run. */
const trace = (folder: string, value = '{}') =>
  `require('fs').writeFileSync(${JSON.stringify(path.join(folder, 'ran'))}, ''); module.exports = ${value}`

describe('a configuration of cosmiconfig itself', () => {
  const places = ['.config/config.js', '.config/config.cjs', '.config/config.json', '.config/config.yaml', 'package.json']

  it.each(places)('in %s is neither run nor read, with and without a named file', async (place) => {
    const content = (folder: string) => {
      if (place.endsWith('js')) return trace(folder, '{ searchPlaces: ["evil.cjs"], mergeSearchPlaces: false }')
      const meta = { cosmiconfig: { searchPlaces: ['evil.cjs'], mergeSearchPlaces: false } }
      return JSON.stringify(place === 'package.json' ? meta : { ...meta, ...meta.cosmiconfig })
    }
    const folder = folderWith({ 'plumbline.config.yaml': VALID })
    const files = { [place]: content(folder), 'evil.cjs': trace(folder, json) }
    const cwd = folderWith({ ...files, 'plumbline.config.yaml': VALID })
    const before = process.cwd()
    process.chdir(cwd)
    try {
      expect((await loadConfig()).source.file).toBe(path.join(process.cwd(), 'plumbline.config.yaml'))
      await loadConfig({ path: path.join(folder, 'plumbline.config.yaml') })
    } finally {
      process.chdir(before)
    }
    expect(existsSync(path.join(folder, 'ran'))).toBe(false)
  })
})

describe('a configuration written in code', () => {
  it('that the search found in a folder above is named before it is run', async () => {
    const folder = folderWith({ 'below/x': '' })
    const file = path.join(folder, 'plumbline.config.cjs')
    writeFileSync(file, trace(folder, json))
    const said: string[] = []
    const say = (message: string) => {
      expect(existsSync(path.join(folder, 'ran'))).toBe(false)
      said.push(message)
    }
    await loadConfig({ cwd: path.join(folder, 'below'), say })
    expect(said).toEqual([`Running the configuration ${file}, which is code.`])
    expect(existsSync(path.join(folder, 'ran'))).toBe(true)
  })

  it('that stands here, or that was asked for, needs no word', async () => {
    const folder = folderWith({ 'plumbline.config.cjs': `module.exports = ${json}`, 'below/x': '' })
    const said: string[] = []
    await loadConfig({ cwd: folder, say: (message) => said.push(message) })
    await loadConfig({ cwd: path.join(folder, 'below'), path: '../plumbline.config.cjs', say: (message) => said.push(message) })
    expect(said).toEqual([])
  })
})

describe('the search', () => {
  it('goes up to the first folder with a package.json and no further', async () => {
    const folder = folderWith({ 'plumbline.config.yaml': VALID, 'a/b/x': '', 'project/package.json': '{}', 'project/c/x': '' })
    expect((await loadConfig({ cwd: path.join(folder, 'a', 'b') })).folder).toBe(folder)
    expect((await failure(() => loadConfig({ cwd: path.join(folder, 'project', 'c') }))).code).toBe('PLUMB_CONFIG_NOT_FOUND')
  })

  it('does not pass over an empty configuration to one further up', async () => {
    const folder = folderWith({ 'plumbline.config.yaml': VALID, 'a/plumbline.config.yaml': '# later\n' })
    expect((await failure(() => loadConfig({ cwd: path.join(folder, 'a') }))).line).toBe(
      'PLUMB_CONFIG_INVALID  plumbline.config.yaml  The configuration is empty.',
    )
  })

  it('passes over folders of these names', async () => {
    const folder = folderWith({ 'plumbline.config.yml': VALID })
    mkdirSync(path.join(folder, 'plumbline.config.yaml'))
    expect((await loadConfig({ cwd: folder })).source.file).toBe(path.join(folder, 'plumbline.config.yml'))
  })
})

describe('$import', () => {
  it('lays a file over others: sections key by key, lists one after the other', async () => {
    const cwd = folderWith({
      'base.yaml': 'model: m\nsft: { steps: 1, batchSize: 2 }\nplugins: [a]\nalign: { loss: ca, steps: 1 }\n',
      'data.json': '{ "data": { "train": "a", "test": "b" } }',
      'plumbline.config.yaml': '$import: [base.yaml, data.json]\nsft: { steps: 7 }\nplugins: [b]\n',
    })
    const { config } = await loadConfig({ cwd })
    expect([config.sft.steps, config.sft.batchSize, config.plugins]).toEqual([7, 2, ['a', 'b']])
  })

  it.each([
    ['$import: b.yaml', '$import leads in a circle: plumbline.config.yaml → b.yaml → plumbline.config.yaml.'],
    ['$import: none.yaml', '$import names none.yaml, which is no file.'],
    ['$import: 4', '$import must be the name of a file or a list of names.'],
  ])('%s is refused', async (text, message) => {
    const cwd = folderWith({ 'plumbline.config.yaml': text, 'b.yaml': '$import: plumbline.config.yaml' })
    expect(await failure(() => loadConfig({ cwd }))).toMatchObject({ code: 'PLUMB_CONFIG_SYNTAX', message })
  })
})

describe('a file that is no configuration', () => {
  it('for its size is refused with a sentence', async () => {
    const cwd = folderWith({ 'a.yaml': `# ${'x'.repeat(1 << 20)}` })
    expect((await failure(() => loadConfig({ cwd, path: 'a.yaml' }))).line).toBe(
      'PLUMB_CONFIG_INVALID  a.yaml  A configuration has at most 1048576 bytes, but this file has 1048578; is it the data file?',
    )
  })

  it.each(['yaml', 'json'])('for its 20,000 keys (%s) is refused with the lines, in a time that grows with their number', async (kind) => {
    const keys = Array.from({ length: 20_000 }, (_, n) => (kind === 'yaml' ? `k${n}: 1\n` : `,"k${n}":1\n`)).join('')
    const cwd = folderWith({ [`a.${kind}`]: kind === 'yaml' ? VALID + keys : `${json.slice(0, -1)}${keys}}` })
    const first = kind === 'yaml' ? VALID.split('\n').length : 1
    const { code, where, message } = await failure(() => loadConfig({ cwd, path: `a.${kind}` }))
    expect([code, where]).toEqual(['PLUMB_CONFIG_UNKNOWN_KEY', `a.${kind}:${first}`])
    expect(message).toContain(`a.${kind}:${first + 1}  k1 is not a configuration key`)
    expect(message).toContain('… and 19990 more.')
  })

  it('with a key that stands twice is refused with the line of the second, in every section', async () => {
    for (const [text, line] of [
      ['model: a\nmodel: b\n', 2],
      ['sft:\n  steps: 1\n  "steps": 2\n', 3],
      ['a: { 1: x, "1": y }\n', 1],
    ] as const) {
      const cwd = folderWith({ 'a.yaml': text })
      expect((await failure(() => loadConfig({ cwd, path: 'a.yaml' }))).line).toBe(
        `PLUMB_CONFIG_SYNTAX  a.yaml:${line}  Map keys must be unique.`,
      )
    }
  })

  it.each([
    ['? '.repeat(40)],
    [`${'? '.repeat(40)}x`],
    [`${'? '.repeat(30)}\n: a`],
    [`${'{['.repeat(40)}1${']: 1}'.repeat(40)}`],
    ['a: &a {x: 1}\nb: { *a : 1 }'],
  ])('with a section or a list for a key is refused at once (%#)', async (text) => {
    const started = performance.now()
    expect((await failure(() => loadConfig({ cwd: folderWith({ 'a.yaml': text }), path: 'a.yaml' }))).line).toMatch(
      /^PLUMB_CONFIG_SYNTAX {2}a\.yaml:[12] {2}A key must be a name, but this is a section, a list or an alias\.$/,
    )
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it.each([
    ['a.yaml', '['.repeat(100_000)],
    ['a.yaml', '- '.repeat(100_000)],
    ['a.yaml', '? '.repeat(100_000)],
    ['a.yaml', `${'{a: '.repeat(20_000)}1${'}'.repeat(20_000)}`],
    ['a.json', `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`],
    ['a.json', '['.repeat(100_000) + ']'.repeat(100_000)],
  ])('for its depth (%s, %#) is refused with a sentence', async (name, text) => {
    expect((await failure(() => loadConfig({ cwd: folderWith({ [name]: text }), path: name }))).line).toBe(
      `PLUMB_CONFIG_SYNTAX  ${name}  The configuration is nested too deeply.`,
    )
  })

  it('for its aliases by the thousand is refused with a sentence', async () => {
    const text = `a: &a 1\nb: [${'*a, '.repeat(5000)}]`
    expect((await failure(() => loadConfig({ cwd: folderWith({ 'a.yaml': text }), path: 'a.yaml' }))).line).toBe(
      'PLUMB_CONFIG_SYNTAX  a.yaml:2  The configuration has more than 1000 aliases.',
    )
  })

  it.each([
    ['a.yaml', 'prompt: &x [*x]', 'a.yaml:1  The alias *x stands within what it stands for, which has no end.'],
    ['a.yaml', 'run: r\nprompt: &x {a: [&y [*x]]}', 'a.yaml:2  The alias *x stands within what it stands for, which has no end.'],
    ['a.cjs', 'const x = []; x.push(x); module.exports = { prompt: x }', 'a.cjs  The configuration is nested too deeply.'],
  ])('for what has no end (%s, %#) is refused with a sentence', async (name, text, line) => {
    expect((await failure(() => loadConfig({ cwd: folderWith({ [name]: text }), path: name }))).line).toBe(`PLUMB_CONFIG_SYNTAX  ${line}`)
  })

  it('for an override without end takes it for a text', async () => {
    const cwd = folderWith({ 'a.yaml': 'run: r' })
    const { line } = await failure(() => loadConfig({ cwd, path: 'a.yaml', overrides: ['prompt.stop=&x [*x]'] }))
    expect(line).toContain('PLUMB_CONFIG_')
  })

  it.each([['a.toml', '', '".toml" is not YAML (.yaml, .yml), JSON (.json) or code (.js, .cjs, .mjs, .ts)']])(
    'for its kind (%s)',
    async (name, _, message) => {
      expect((await failure(() => loadConfig({ cwd: folderWith({ [name]: 'x = 1' }), path: name }))).message).toContain(message)
    },
  )

  it('because it is a device is not waited for', async () => {
    const cwd = folderWith({})
    symlinkSync('/dev/zero', path.join(cwd, 'a.yaml'))
    expect((await failure(() => loadConfig({ cwd, path: 'a.yaml' }))).message).toContain('this is a device or a pipe')
  })
})
