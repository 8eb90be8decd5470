import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createRegistry } from '@plumbline/core'
import { totals } from '../src/conformance/report'
import { checkThing, thingsOf } from '../src/conformance/run'
import { readSubjects } from '../src/conformance/subjects'
import backend from '../templates/backend/src/index'
import labeler from '../templates/labeler/src/index'
import loss from '../templates/loss/src/index'
import reader from '../templates/reader/src/index'
import sampler from '../templates/sampler/src/index'
import { folderWith, plumb } from './cli'

const ROOT = join(__dirname, '..', '..', '..')

const manifest = (name: string): string => JSON.stringify({ name, version: '2.0.0', main: 'index.cjs' })

const LOSS = (sign: string): string => `
const tf = require('@tensorflow/tfjs-core')
const { z } = require('zod')
class Margin {
  manifest = { name: 'margin', feedback: 'either', needsReference: false, unit: 'question', constraint: 'none', constraints: ['none'], paper: '' }
  constructor(options) { this.options = options }
  loss({ scores, pairs }) {
    return tf.relu(pairs.worse(scores).sub(pairs.better(scores)).mul(${sign}).add(this.options.margin)).sum()
  }
}
exports.default = {
  name: 'plugin', apiVersion: 1,
  register: (registry) => registry.loss('margin', { options: z.strictObject({ margin: z.number().default(0.1) }), create: (options) => new Margin(options) }),
}
`

/** A labeler, and what its plugin does besides. */
const LABELER = (body: string): string => `
const { z } = require('zod')
exports.default = {
  name: 'plugin', apiVersion: 1,
  register: (registry) => registry.labeler('mine', { options: z.strictObject({}), create: () => ({ name: 'mine', feedback: 'binary', label: async (question, candidates) => { ${body} } }) }),
}
`

function plugin(code: string, more: Readonly<Record<string, string>> = {}): string {
  const cwd = folderWith({ 'mine/package.json': manifest('plugin'), 'mine/index.cjs': code, ...more })
  symlinkSync(join(ROOT, 'node_modules'), join(cwd, 'node_modules'))
  return cwd
}

interface Report {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly things: readonly {
    readonly options: object
    readonly kind: string
    readonly name: string
    readonly notChecked?: string
    readonly checks: readonly { readonly id: string; readonly outcome: string }[]
  }[]
}

jest.setTimeout(120_000)

describe('plumb conformance', () => {
  it('reports a sound loss as a table to paste, with the versions', async () => {
    const subjects = { 'loss/margin': { options: [{}, { margin: 1 }], except: { 'loss/is-deterministic': 'by way of example' } } }
    const cwd = plugin(LOSS('1'), { 'mine/conformance.json': JSON.stringify(subjects) })
    const { code, stdout, stderr } = await plumb(['conformance', 'mine'], { cwd })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(
      /^# Conformance of plugin 2\.0\.0\n\nPlumbline 0\.1\.0, Node [\d.]+, \w+ \w+: \*\*\d+ passed, 0 failed\*\*, \d+ skipped\.\n/,
    )
    expect(stdout).toMatch(/^\| loss `margin` with `\{"margin":1\}` \| \d+ \| 0 \| \d+ \|$/m)
    expect(stdout).toContain('- `loss/is-deterministic`, loss `margin`: an exception: by way of example\n')
  })

  it('exits with 1 where a check fails, and says what was expected and seen', async () => {
    const { code, stdout } = await plumb(['conformance', './mine'], { cwd: plugin(LOSS('-1')) })
    expect(code).toBe(1)
    expect(stdout).toContain('## Failed\n')
    expect(stdout).toMatch(
      /### `loss\/prefers-the-better`: loss `margin`\n\nExpected: where every worse candidate scores above every better one, .*\n\n```\n[^]*The smallest group that shows it:/,
    )
  })

  it('says the same as JSON, and lets what the plugin prints stay out of it', async () => {
    const body = 'console.log("noise"); return candidates.map(() => ({ status: "wrong", positive: false }))'
    const { code, stdout, stderr } = await plumb(['conformance', 'mine', '--json'], { cwd: plugin(LABELER(body)) })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^(noise\n)+$/)
    const { failed, things } = JSON.parse(stdout) as Report
    expect(failed).toBe(1)
    expect(things[0]?.checks.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id)).toEqual(['labeler/tells-right-from-wrong'])
  })

  it('takes a plugin that ends the process for a failed check, named', async () => {
    const { code, stdout } = await plumb(['conformance', 'mine'], { cwd: plugin(LABELER('process.exit(7)')) })
    expect(code).toBe(1)
    expect(stdout).toContain('### `labeler/one-label-per-candidate`: labeler `mine`')
    expect(stdout).toContain('The process ended with exit code 7 while this check ran; those after it did not run.')
  })

  it('says what it could not check, and why', async () => {
    const code = `
const { z } = require('zod')
const options = z.strictObject({})
exports.default = {
  name: 'plugin', apiVersion: 1,
  register(registry) {
    registry.dataset('format', { options, create: () => ({ name: 'format', read: async function* () {} }) })
    registry.backend('engine', { options, create: () => ({ name: 'engine', probe: async () => ({}), open: async () => ({}) }) })
    registry.sampler('given', { options, create: () => ({ name: 'given', kind: 'given', candidates: () => [] }) })
    registry.loss('needy', { options: z.strictObject({ margin: z.number() }), create: () => ({}) })
  },
}`
    const { code: exit, stdout } = await plumb(['conformance', 'mine', '--json'], { cwd: plugin(code) })
    const { things } = JSON.parse(stdout) as Report
    expect(exit).toBe(0)
    expect(things.map(({ kind, name, notChecked }) => [kind, name, notChecked])).toEqual([
      ['loss', 'needy', expect.stringContaining('its options {} are refused')],
      ['sampler', 'given', 'since its candidates are given and not sampled'],
      ['dataset', 'format', 'for want of a sound file and a broken one ("dataset/format" in conformance.json)'],
      ['backend', 'engine', 'for want of a small model (--model, or "backend/engine" in conformance.json)'],
    ])
  })

  it('tries a built-in loss under each of its constraints', async () => {
    const { code, stdout } = await plumb(['conformance', '@plumbline/plugin-ca-loss', '--json'], { cwd: folderWith({}) })
    const { things, failed } = JSON.parse(stdout) as Report
    expect([code, failed]).toEqual([0, 0])
    expect(things.map(({ options }) => options)).toEqual([{}, { constraint: 'none' }, { constraint: 'detached' }])
  })

  it('refuses a conformance.json that speaks of nothing, with the file', async () => {
    const refused = await plumb(['conformance', 'mine'], { cwd: plugin(LOSS('1'), { 'mine/conformance.json': '{ "loss/margni": {} }' }) })
    expect([refused.code, refused.stdout]).toEqual([2, ''])
    expect(refused.stderr).toMatch(
      /^PLUMB_CONFORMANCE_FILE {2}.*conformance\.json {2}"loss\/margni" is nothing that the plugin registers\. Did you mean "loss\/margin"\?\n$/,
    )
  })

  it('refuses what is no plugin, and a folder that is no model', async () => {
    const cwd = plugin('exports.default = 3')
    expect((await plumb(['conformance', 'mine'], { cwd })).stderr).toMatch(/^PLUMB_PLUGIN_INVALID/)
    expect((await plumb(['conformance', 'mine', '--model', 'mine'], { cwd })).stderr).toBe(
      'PLUMB_CONFORMANCE_MODEL  mine  This is no model folder: it has no config.json.\n',
    )
  })
})

describe('conformance.json', () => {
  it.each([
    ['{ "loss/margin": { "option": [{}] } }', /loss\/margin: Unrecognized key: "option"/],
    ['{ "loss/margin": { "options": [] } }', /loss\/margin\.options: /],
    ['[]', /Expected an object with a key "kind\/name"/],
    ['{', /The file is no JSON/],
  ])('refuses %s', (text, message) => {
    const root = folderWith({ 'conformance.json': text })
    expect(() => readSubjects(root, ['loss/margin'])).toThrow(message)
  })

  it('may be absent', () => {
    expect(readSubjects(folderWith({}), ['loss/margin']).of('loss', 'margin')).toBeUndefined()
  })
})

/** What `plumb create` writes, as its author's `plumb conformance` sees it. */
describe.each([
  ['loss', loss],
  ['labeler', labeler],
  ['sampler', sampler],
  ['reader', reader],
  ['backend', backend],
])('the template of a %s', (template, made) => {
  it('is checked whole by its conformance.json, and passes', async () => {
    const root = join(__dirname, '..', 'templates', template)
    const registry = createRegistry([made])
    const things = thingsOf({ plugin: made, registry })
    const known = things.map(({ kind, name }) => `${kind}/${name}`)
    const context = registry.openRun({ folder: root, configFolder: root, seed: 0 })
    const checked = { plugin: made, registry, context, subjects: readSubjects(root, known), root, onCheck: () => undefined }
    const reports = (await Promise.all(things.map(({ kind, name }) => checkThing(checked, kind, name)))).flat()
    await context.dispose()
    expect(reports.length).toBeGreaterThan(0)
    expect(reports.flatMap(({ notChecked }) => notChecked ?? [])).toEqual([])
    expect(reports.flatMap(({ checks }) => checks).filter(({ outcome }) => outcome === 'failed')).toEqual([])
    expect(totals(reports).passed).toBeGreaterThan(5)
  })
})
